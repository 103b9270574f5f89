// A badge's readings: the stored ones, page by page, and the new ones as they come.

import { getJson } from "./poll.js";

const PAGE = 500;
// Six hours of a badge that says something new each 5 s are 4,320 readings.
const PAGES_MAX = 10;
const READINGS_MAX = 20_000;

export class History {
  constructor(badge_id) {
    this.badge_id = badge_id;
    this.by_id = new Map();
    this.sorted = null;
    // Where the older ones go on: undefined before the first page, null after the last.
    this.cursor = undefined;
    this.from_ms = Infinity;
  }

  add(reading) {
    this.by_id.set(reading.id, { ...reading, at_ms: Date.parse(reading.heard_at) });
    this.sorted = null;
    if (this.by_id.size > READINGS_MAX) this.#forgetOldest();
  }

  // Newest first by (heard_at, id), as the collector lists them.
  newestFirst() {
    this.sorted ??= [...this.by_id.values()].sort((a, b) => b.at_ms - a.at_ms || b.id - a.id);
    return this.sorted;
  }

  // All since `since_ms`, from the newest back: also those that came while nobody listened.
  async load(since_ms) {
    let cursor = null;
    for (let page = 0; page < PAGES_MAX; page++) {
      const answer = await this.#page(cursor);
      cursor = answer.cursor;
      if (cursor === null || answer.oldest_ms < since_ms) return;
    }
  }

  isLoaded() {
    return this.cursor !== undefined;
  }

  hasOlder() {
    return this.cursor != null;
  }

  async loadOlder() {
    await this.#page(this.cursor);
  }

  async #page(after) {
    const query = new URLSearchParams({ badge_id: this.badge_id, limit: String(PAGE) });
    if (after !== null) query.set("cursor", after);
    const { json } = await getJson(`rssi_readings?${query}`);
    json.readings.forEach((reading) => this.add(reading));
    const cursor = json.cursor ?? null;
    const oldest = json.readings.at(-1);
    const oldest_ms = oldest ? Date.parse(oldest.heard_at) : -Infinity;
    if (this.cursor === undefined || oldest_ms < this.from_ms) [this.cursor, this.from_ms] = [cursor, oldest_ms];
    return { cursor, oldest_ms };
  }

  // A page that stays open for days must not grow for days.
  #forgetOldest() {
    for (const { id } of this.newestFirst().slice(READINGS_MAX * 0.9)) this.by_id.delete(id);
    this.sorted = null;
    this.cursor = null;
  }
}
