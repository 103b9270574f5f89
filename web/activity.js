// The last five minutes as charts.

import { byId } from "./dom.js";
import { Chart } from "./chart.js";
import { milliseconds, rate } from "./text.js";

// A badge changes what it says once in 5 s, and all badges of a house may do so in the same second.
const MEAN_SECONDS = 5;

export class ActivityCharts {
  constructor() {
    this.emissions = new Chart({
      title: "Emissions a second",
      show: rate,
      mark: rate,
      range: (_, min, max) => [0, Math.max(max * 1.1, 5)],
      series: [
        { name: "all", color: "--series-1", is_filled: true },
        { name: "refused", color: "--bad", dash: [4, 3], hides_zeros: true },
      ],
    });
    this.readings = new Chart({
      title: `New readings a second, mean of ${MEAN_SECONDS} s`,
      show: rate,
      mark: rate,
      range: (_, min, max) => [0, Math.max(max * 1.1, 1)],
      series: [{ name: "new", color: "--series-2", is_filled: true }],
    });
    this.answers = new Chart({
      title: "Answer times",
      axis_width: 56,
      log: true,
      show: milliseconds,
      mark: (ms) => (ms < 0.1 ? `${Math.round(ms * 1000)} µs` : ms < 1000 ? `${Number(ms.toPrecision(1))} ms` : `${ms / 1000} s`),
      range: (_, min, max) => decades(min, max),
      series: [
        { name: "median", color: "--series-1" },
        { name: "99 % within", color: "--series-3", dash: [4, 3] },
      ],
    });
    byId("charts").append(this.emissions.root, this.readings.root, this.answers.root);
  }

  show(activity) {
    const from_s = Math.floor(Date.parse(activity.from) / 1000);
    const times = activity.emissions.map((_, n) => from_s + n);
    const to_s = from_s + times.length - 1;
    // Before the start there was no collector, which is not the same as no emission.
    const started_s = Date.parse(activity.started_at) / 1000 - 1;
    const lived = (list) => list.map((v, n) => (times[n] < started_s ? null : v));
    const emissions = lived(activity.emissions);
    const stored = means(lived(activity.stored));
    this.emissions.set(
      [times, emissions, lived(activity.refused)],
      from_s,
      to_s,
      words("Emissions a second", emissions, rate),
    );
    this.readings.set([times, stored], from_s, to_s, words("New readings a second", stored, rate));
    const { answer_p50_ms, answer_p99_ms } = activity;
    this.answers.set(
      [times, positive(answer_p50_ms), positive(answer_p99_ms)],
      from_s,
      to_s,
      words("The time within which 99 % are answered", answer_p99_ms, milliseconds),
    );
  }
}

// The mean of each value and the four before it.
function means(list) {
  return list.map((_, n) => {
    const near = list.slice(Math.max(0, n - MEAN_SECONDS + 1), n + 1).filter((v) => v != null);
    return near.length < MEAN_SECONDS ? null : near.reduce((sum, v) => sum + v, 0) / MEAN_SECONDS;
  });
}

// A logarithm has no place for zero.
function positive(list) {
  return list.map((v) => (v == null ? null : Math.max(v, 0.001)));
}

// Whole powers of ten around both.
function decades(min, max) {
  if (min == null || !(min > 0)) return [0.1, 10];
  const from = 10 ** Math.floor(Math.log10(min));
  const to = 10 ** Math.ceil(Math.log10(max));
  return [from, Math.max(to, from * 10)];
}

function words(what, list, show) {
  const heard = list.filter((v) => v != null);
  if (heard.length === 0) return `${what}: nothing yet.`;
  const now = heard.at(-1);
  return `${what}, over five minutes: now ${show(now)}, lowest ${show(Math.min(...heard))}, highest ${show(Math.max(...heard))}.`;
}
