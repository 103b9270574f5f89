// A badge's own page: its beacons over time, who hears it, its last readings, what of it was refused.

import { beaconsText, READINGS_MINUTE_FULL } from "./badges.js";
import { Chart } from "./chart.js";
import { age_ms, heardNow, now_ms } from "./clock.js";
import { el, setAttribute, setText } from "./dom.js";
import { Feed } from "./feed.js";
import { heardCell, showHeard } from "./heard.js";
import { History } from "./history.js";
import { Poll } from "./poll.js";
import { reasonsText, refusalItem } from "./refused.js";
import { drawSparkline, sparkline } from "./sparkline.js";
import { absolute, byName, clock, count, dayAndClock, dayAndMinutes, dbm, NOTHING, plural } from "./text.js";

const WINDOWS = [
  { minutes: 15, name: "15 min" },
  { minutes: 60, name: "1 h" },
  { minutes: 360, name: "6 h" },
];
const POLL_MS = 2000;
const HOUR_MS = 3_600_000;
// Silent for longer, and no line is drawn across.
const GAP_MS = 60_000;
const READINGS_SHOWN = 20;
// More lines than colours could not be told apart.
const BEACONS_MAX = 8;
const DASHES = [undefined, [6, 3]];
const COLORS = 6;

const FACTS = [
  ["New, last minute", (badge) => count(badge.readings_minute)],
  ["New, last hour", (badge) => count(badge.readings_hour)],
  ["Copies, last hour", (badge) => count(badge.copies_hour)],
  ["Best, last hour", ({ badge_strength_best: best }) => (best == null ? NOTHING : `${dbm(best)} dBm`)],
  ["Refused, last hour", ({ refused_hour }) => (refused_hour > 0 ? `▲ ${count(refused_hour)}` : "0")],
];

export class BadgePage {
  constructor(badge_id) {
    this.badge_id = badge_id;
    this.minutes = WINDOWS[0].minutes;
    this.is_chosen = false;
    this.rows_shown = READINGS_SHOWN;
    this.history = new History(badge_id);
    this.beacons = [];
    this.fault = null;
    this.refused_latest = [];

    this.heard = heardCell();
    this.spark = sparkline();
    this.facts = FACTS.map(([name, of]) => ({ name, of, value: el("dd", { text: NOTHING }) }));
    this.chart = new Chart({
      title: "Beacons, dBm",
      series: [],
      show: dbm,
      axis_width: 40,
      points: true,
      nothing: "",
      range: (_, min, max) => [Math.min(min ?? -100, -90) - 3, Math.max(max ?? -30, -40) + 3],
    });
    this.chart_note = el("p", { class: "note" });
    this.windows = WINDOWS.map(({ minutes, name }) =>
      el("button", {
        type: "button",
        class: "toggle",
        "aria-pressed": String(minutes === this.minutes),
        text: name,
        onclick: () => this.#setWindow(minutes),
      }),
    );
    this.pis = el("tbody");
    this.pis_note = el("p", { class: "note", hidden: true, text: "By no Pi, as far as is known." });
    this.refusals = el("ul", { class: "refusals" });
    this.refused_note = el("p", { class: "note" });
    this.refusals_box = el("section", { hidden: true }, el("h3", { text: "Refused" }), this.refused_note, this.refusals);
    this.since_note = el("p", { class: "note" });
    this.readings = el("tbody");
    this.older = el("button", { type: "button", hidden: true, text: "Show older", onclick: () => this.#showOlder() });
    this.readings_note = el("p", { class: "note" });
    this.root = el(
      "article",
      { class: "badge", "aria-labelledby": "badge-title" },
      el("a", { href: "#/", text: "← All badges" }),
      el("div", { class: "badge-head" }, el("h2", { id: "badge-title", text: badge_id }), this.heard),
      el(
        "dl",
        { class: "facts" },
        el("div", {}, el("dt", { text: "New, by minute" }), el("dd", {}, this.spark)),
        ...this.facts.map(({ name, value }) => el("div", {}, el("dt", { text: name }), value)),
      ),
      this.since_note,
      el("div", { class: "bar", role: "group", "aria-label": "Time shown" }, ...this.windows, this.chart_note),
      this.chart.root,
      el(
        "div",
        { class: "badge-lists" },
        el(
          "section",
          {},
          el("h3", { text: "Last readings" }),
          table("readings", this.readings, 3, "Heard at", "Pi", "Beacons, dBm", "Badge dBm", "Motion", "Position"),
          this.readings_note,
          this.older,
        ),
        el(
          "div",
          {},
          el(
            "section",
            {},
            el("h3", { text: "Heard by" }),
            table("pis", this.pis, 2, "Pi", "Last heard", "Badge dBm", "Emissions, h"),
            this.pis_note,
          ),
          this.refusals_box,
        ),
      ),
    );

    this.poll = new Poll(`badges?badge_id=${encodeURIComponent(badge_id)}`, POLL_MS, (answer) => this.#show(answer));
    this.feed = new Feed(
      `feed?badge_id=${encodeURIComponent(badge_id)}`,
      (reading) => {
        this.history.add(reading);
        this.#later();
      },
      () => this.#load(),
    );
  }

  end() {
    this.poll.end();
    this.feed.end();
    this.chart.end();
    clearTimeout(this.timer);
    this.is_over = true;
  }

  // After the feed has begun, so that nothing falls between the two. One at a time; what is asked for
  // meanwhile may be newer than the answer that is on its way, so it is loaded after that.
  async #load() {
    this.is_wanted = true;
    if (this.is_loading) return;
    this.is_loading = true;
    while (this.is_wanted && !this.is_over) {
      this.is_wanted = false;
      try {
        await this.history.load(now_ms() - this.minutes * 60_000);
        this.fault = null;
        this.#widen();
      } catch (fault) {
        this.fault = fault;
      }
      if (!this.is_over) this.#draw();
    }
    this.is_loading = false;
  }

  // Of a badge that has been silent for a while, what it said last is shown, and not an empty chart.
  #widen() {
    const newest = this.history.newestFirst()[0];
    if (this.is_chosen || !newest) return;
    const minutes_ago = (now_ms() - newest.at_ms) / 60_000;
    const fits = WINDOWS.find(({ minutes }) => minutes_ago < minutes * 0.9);
    this.#setWindow((fits ?? WINDOWS[0]).minutes);
  }

  #setWindow(minutes) {
    this.is_chosen = true;
    if (minutes === this.minutes) return;
    this.minutes = minutes;
    this.windows.forEach((button, n) => button.setAttribute("aria-pressed", String(WINDOWS[n].minutes === minutes)));
    this.#draw();
    this.#load();
  }

  async #showOlder() {
    this.rows_shown += READINGS_SHOWN;
    this.#draw();
    if (this.history.newestFirst().length >= this.rows_shown || !this.history.hasOlder()) return;
    try {
      await this.history.loadOlder();
      this.fault = null;
    } catch (fault) {
      this.fault = fault;
    }
    this.#draw();
  }

  // Many readings of one commit are drawn once.
  #later() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.#draw();
    }, 50);
  }

  #show(answer) {
    heardNow(answer.now);
    const badge = answer.badges.find(({ badge_id }) => badge_id === this.badge_id);
    drawSparkline(this.spark, badge?.readings_by_minute ?? [], READINGS_MINUTE_FULL, "New readings");
    this.badge = badge;
    for (const { of, value } of this.facts) setText(value, badge ? of(badge) : NOTHING);
    setAttribute(this.facts.at(-1).value, "data-level", badge?.refused_hour > 0 ? "warn" : "");
    this.heard_by = [...(badge?.pis ?? [])].sort((a, b) => byName(a.pi_id, b.pi_id));
    fill(this.pis, this.heard_by, piRow);
    this.pis_note.hidden = this.heard_by.length > 0;
    const { counting_since } = answer;
    const since = dayAndMinutes(Date.parse(counting_since), now_ms());
    setText(this.since_note, age_ms(counting_since) < HOUR_MS ? `Counting since ${since}, the collector's start.` : "");
    this.#showRefused();
    this.#showHeard();
  }

  #showHeard() {
    showHeard(this.heard, this.badge?.last_heard ?? null, this.badge?.refused_last, true);
    this.heard_by.forEach((pi, n) => showHeard(this.pis.children[n].children[1].firstChild, pi.last_heard));
  }

  // Also each second: the chart moves on.
  tick() {
    if (this.badge) this.#showHeard();
    this.#draw();
  }

  showActivity({ refused_latest: latest }) {
    this.refused_latest = latest.filter(({ badge_id }) => badge_id === this.badge_id);
    this.#showRefused();
  }

  // The latest of all badges are few, and those of others may have driven its own out; its last one stays.
  #showRefused() {
    const { refused = {}, refused_last: last } = this.badge ?? {};
    const shown = this.refused_latest.length > 0 || !last ? this.refused_latest : [last];
    const reasons = reasonsText(refused);
    this.refusals_box.hidden = shown.length === 0 && !reasons;
    setText(this.refused_note, reasons ? `In the last hour: ${reasons}. The last:` : "None in the last hour. The last:");
    fill(this.refusals, shown, ({ badge_id, ...refusal }) => refusalItem(refusal));
  }

  #draw() {
    this.#drawChart();
    const all = this.history.newestFirst();
    fill(this.readings, all.slice(0, this.rows_shown), readingRow);
    const note = this.fault ? `Cannot read its readings: ${this.fault.message}.` : all.length === 0 ? "None stored." : "";
    setText(this.readings_note, note);
    this.older.hidden = all.length <= this.rows_shown && !this.history.hasOlder();
  }

  #drawChart() {
    const to_ms = now_ms();
    const from_ms = to_ms - this.minutes * 60_000;
    const shown = this.history.newestFirst().filter(({ at_ms }) => at_ms >= from_ms);
    shown.reverse();
    const heard = new Map();
    for (const { beacons } of shown) for (const id of Object.keys(beacons)) heard.set(id, (heard.get(id) ?? 0) + 1);
    const most = [...heard].sort((a, b) => b[1] - a[1] || byName(a[0], b[0])).slice(0, BEACONS_MAX);
    const beacons = most.map(([id]) => id).sort(byName);
    if (beacons.join("\n") !== this.beacons.join("\n") || this.chart.series.length !== beacons.length) {
      this.beacons = beacons;
      this.chart.setSeries(
        beacons.map((name, n) => ({
          name,
          color: `--series-${(n % COLORS) + 1}`,
          dash: DASHES[Math.floor(n / COLORS) % DASHES.length],
        })),
      );
    }
    const drawn = withGaps(shown);
    const times = drawn.map(({ at_ms }) => at_ms / 1000);
    const lines = beacons.map((id) => drawn.map((reading) => reading.beacons[id] ?? null));
    const left_out = heard.size - beacons.length;
    setText(
      this.chart_note,
      [shown.length ? plural(shown.length, "reading") : this.history.isLoaded() ? "no reading in this time" : "", left_out > 0 ? `${plural(left_out, "beacon")} heard more rarely not drawn` : ""]
        .filter(Boolean)
        .join(", "),
    );
    this.chart.nothing = this.history.isLoaded() ? "No beacon heard in this time" : "";
    this.chart.set([times, ...lines], from_ms / 1000, to_ms / 1000, words(this.minutes, beacons, lines));
  }
}

// With nothing where the badge was silent.
function withGaps(readings) {
  return readings.flatMap((reading, n) => {
    const before_ms = readings[n - 1]?.at_ms ?? reading.at_ms;
    const gap_ms = reading.at_ms - before_ms;
    return gap_ms > GAP_MS ? [{ at_ms: before_ms + gap_ms / 2, beacons: {} }, reading] : [reading];
  });
}

// Replaces the children only if what they show has changed: a selection and the focus stay.
function fill(parent, items, make) {
  const text = JSON.stringify(items);
  if (parent.houseful === text) return;
  parent.houseful = text;
  parent.replaceChildren(...items.map(make));
}

function words(minutes, beacons, lines) {
  if (beacons.length === 0) return `No beacon heard in the last ${minutes} minutes.`;
  const each = beacons.map((id, n) => {
    const levels = lines[n].filter((v) => v !== null);
    return `${id}: newest ${dbm(levels.at(-1))}, from ${dbm(Math.min(...levels))} to ${dbm(Math.max(...levels))} dBm`;
  });
  return `The last ${minutes} minutes, to ${clock(now_ms())}. ${each.join("; ")}.`;
}

// The first so many columns are text, the others numbers. The roles stay when the phone's layout takes the
// table apart.
function table(name, body, texts, ...names) {
  const heads = names.map((text, n) => {
    return el("th", { scope: "col", role: "columnheader", class: n < texts ? null : "number", text });
  });
  const head = el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...heads));
  return el("table", { class: `plain ${name}`, role: "table" }, head, body);
}

function row(...cells) {
  return el("tr", { role: "row" }, ...cells);
}

function cell(name, ...children) {
  return el("td", { role: "cell", class: name }, ...children);
}

// `name` says what it is where there is no room for a head.
function number(name, value) {
  return el("td", { role: "cell", class: value == null ? "number none" : "number", "data-name": name, text: dbm(value) });
}

function readingRow({ heard_at, at_ms, pi_id, beacons, badge_strength, motion, position }) {
  const time = el("time", { datetime: heard_at, title: absolute(heard_at), text: dayAndClock(at_ms, now_ms()) });
  return row(
    cell("at", time),
    el("td", { role: "cell", class: "pi", "data-name": "Pi", text: pi_id }),
    cell("beacons", beaconsText(beacons)),
    number("badge dBm", badge_strength),
    number("motion", motion),
    number("position", position),
  );
}

function piRow({ pi_id, badge_strength, emissions_hour }) {
  return row(
    cell("pi", pi_id),
    cell("", heardCell()),
    number("badge dBm", badge_strength),
    cell("number", count(emissions_hour)),
  );
}
