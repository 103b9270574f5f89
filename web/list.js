// A list with its filter: the badges', the Pis'.

import { age_ms, now_ms } from "./clock.js";
import { el, setAttribute, setText } from "./dom.js";
import { Table } from "./table.js";
import { count, dayAndMinutes, plural } from "./text.js";

const HOUR_MS = 3_600_000;

export class ListView {
  // `note` explains the columns; `is_since_start`: some of them count since the collector's start.
  constructor({ name, one, columns, key, level, isSilent, matches, filter_hint, empty, note, is_since_start }) {
    Object.assign(this, { one, isSilent, matches, is_since_start });
    this.table = new Table({ name, columns, sort_by: "heard", key, level });
    this.items = [];
    this.silent = 0;
    this.is_shown = false;
    this.filter = el("input", {
      type: "search",
      name: "filter",
      placeholder: `Filter: ${filter_hint}`,
      "aria-label": `Filter: ${filter_hint}`,
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      oninput: () => this.#filter(),
    });
    this.only_silent = el("button", {
      type: "button",
      class: "toggle",
      "aria-pressed": "false",
      text: "Only silent",
      onclick: () => {
        setAttribute(this.only_silent, "aria-pressed", String(!this.#isOnlySilent()));
        this.#filter();
      },
    });
    this.summary = el("p", { class: "summary" });
    this.note = el("p", { class: "note list-note", text: note, hidden: true });
    this.empty = el("div", { class: "empty", hidden: true }, ...empty.map((text, n) => el(n ? "pre" : "p", { text })));
    this.none = el("p", { class: "empty", hidden: true, text: `No ${one} fits the filter.` });
    this.root = el(
      "section",
      { "aria-label": name },
      el("div", { class: "bar" }, this.filter, this.only_silent, this.summary),
      this.note,
      this.table.root,
      this.empty,
      this.none,
    );
  }

  setShown(is_shown) {
    this.is_shown = is_shown;
  }

  set(items, { truncated, counting_since }) {
    this.items = items;
    this.is_truncated = truncated;
    this.counting_since = counting_since;
    this.silent = items.filter((item) => this.isSilent(item)).length;
    this.table.setRows(items);
    this.#summarise();
  }

  update(items) {
    this.table.updateRows(items);
  }

  // Shows those that fit these words.
  search(words) {
    this.filter.value = words;
    setAttribute(this.only_silent, "aria-pressed", "false");
    this.#filter();
  }

  #isOnlySilent() {
    return this.only_silent.getAttribute("aria-pressed") === "true";
  }

  #filter() {
    const words = this.filter.value.trim().toLowerCase();
    const only_silent = this.#isOnlySilent();
    const accepts = (item) => (!only_silent || this.isSilent(item)) && (!words || this.matches(item, words));
    this.table.setFilter(words || only_silent ? accepts : null);
    this.#summarise();
  }

  #summarise() {
    const all = this.items.length;
    const shown = this.table.shown;
    const parts = [shown === all ? plural(all, this.one) : `${count(shown)} of ${plural(all, this.one)}`];
    parts.push(this.silent ? `▲ ${count(this.silent)} silent` : "none silent");
    // Counts are kept in memory: after a restart the last hour is a short one.
    const is_young = age_ms(this.counting_since) < HOUR_MS;
    const since = () => dayAndMinutes(Date.parse(this.counting_since), now_ms());
    if (is_young) parts.push(`counting since ${since()}`);
    else if (this.is_since_start) parts.push(`counting refused ones since ${since()}`);
    if (this.is_truncated) parts.push("there are more, which are not listed");
    setText(this.summary, all ? parts.join(", ") : "");
    this.table.root.hidden = shown === 0;
    this.note.hidden = shown === 0 || !this.note.textContent;
    this.empty.hidden = all > 0;
    this.none.hidden = all === 0 || shown > 0;
  }
}
