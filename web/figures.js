// The figures of now, each with a line that says what to compare it with.

import { age_ms } from "./clock.js";
import { byId, el, setAttribute, setText } from "./dom.js";
import { bytes, count, milliseconds, NOTHING, percent, rate, span } from "./text.js";

const figures = [
  {
    name: "Emissions a second",
    show: (a) => rate(perSecond(a, "emissions")),
    note: (a) => `${count(a.total.emissions)} since the start`,
  },
  {
    name: "New readings a second",
    show: (a) => rate(perSecond(a, "stored")),
    note: (a) => `${count(a.total.stored)} since the start`,
  },
  {
    name: "Share of copies",
    show: ({ minute }) => percent(shareOfCopies(minute)),
    note: ({ minute }) => `${count(minute.duplicates)} in the last minute`,
  },
  {
    name: "Answer time, median",
    show: ({ minute }) => milliseconds(minute.answer_p50_ms),
    note: ({ minute }) => (minute.answer_p99_ms == null ? "" : `99 % within ${milliseconds(minute.answer_p99_ms)}`),
  },
  {
    name: "Refused, last minute",
    show: ({ minute }) => count(minute.refused),
    note: (a) => `${count(a.total.refused)} since the start`,
    level: ({ minute }) => (minute.refused > 0 ? "warn" : ""),
  },
  {
    name: "Readings stored",
    show: ({ store }) => count(store.readings_newest_id),
    note: ({ store }) =>
      `${bytes(store.file_bytes)} + ${bytes(store.wal_bytes)} WAL, ${count(store.queue_len)} of ${count(store.queue_len_max)} waiting`,
  },
];

export class Figures {
  constructor() {
    this.nodes = figures.map(({ name }) => {
      const value = el("dd", { class: "value", text: NOTHING });
      const note = el("dd", { class: "note", text: "\u00a0" });
      const box = el("div", {}, el("dt", { text: name }), value, note);
      return { box, value, note };
    });
    byId("figures").append(...this.nodes.map(({ box }) => box));
  }

  show(activity) {
    figures.forEach(({ show, note, level }, n) => {
      const nodes = this.nodes[n];
      setText(nodes.value, show(activity));
      setText(nodes.note, note(activity));
      setAttribute(nodes.note, "title", note(activity));
      setAttribute(nodes.box, "data-level", level?.(activity) ?? "");
    });
  }
}

// Over the last minute, or over the time since the start if that is shorter.
function perSecond({ minute, started_at }, what) {
  const seconds = Math.max(1, Math.min(60, Math.floor(age_ms(started_at) / 1000)));
  return minute[what] / seconds;
}

function shareOfCopies({ stored, duplicates }) {
  return stored + duplicates > 0 ? duplicates / (stored + duplicates) : null;
}

export function showAbout({ version, started_at }) {
  setText(byId("about"), `Version ${version}, up ${span(age_ms(started_at))}`);
}
