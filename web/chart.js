// A line chart over time: uPlot with our colours, a legend of our own, and words for those who do not see it.

import { el, setAttribute, setText } from "./dom.js";
import { clock, clockMinutes } from "./text.js";

const charts = new Set();
// Between marks of time: whole minutes, since that is how they are named.
const STEPS_S = [60, 120, 300, 600, 900, 1800, 3600, 7200, 21600];
// Points that are nearer than so many pixels only blur the line.
const POINT_SPACE = 9;
// A name of a time nearer to the left edge would run into the lowest value.
const CLOCK_SPACE = 16;
const FONT = '11px system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

export class Chart {
  // `series`: {name, color: a CSS variable, dash, is_filled, hides_zeros}. `show` makes a value text, `mark` one of the axis;
  // `nothing` stands there when there is nothing to draw.
  constructor({ title, series, show, mark = show, axis_width = 46, range, log = false, points = false, nothing = "Nothing yet" }) {
    Object.assign(this, { show, mark, axis_width, range, log, points, nothing });
    this.plot_box = el("div", { class: "plot", "aria-hidden": "true" });
    this.legend = el("ul", { class: "legend", "aria-hidden": "true" });
    this.time = el("span", { class: "legend-time" });
    this.words = el("p", { class: "unseen" });
    this.empty = el("p", { class: "plot-empty", "aria-hidden": "true" });
    this.root = el(
      "figure",
      { class: "chart" },
      el("figcaption", {}, el("span", { class: "chart-title", text: title }), this.legend, this.time),
      this.plot_box,
      this.empty,
      this.words,
    );
    this.setSeries(series);
    this.resizes = new ResizeObserver(() => this.#resize());
    this.resizes.observe(this.plot_box);
    charts.add(this);
  }

  end() {
    this.resizes.disconnect();
    this.plot?.destroy();
    charts.delete(this);
  }

  setSeries(series) {
    this.series = series;
    this.data = null;
    this.values = series.map(({ name, color, dash }) => {
      const swatch = el("i", { class: "swatch" });
      swatch.style.borderTopColor = `var(${color})`;
      if (dash) swatch.style.borderTopStyle = "dashed";
      const value = el("b");
      return { value, item: el("li", {}, swatch, el("span", { text: name }), " ", value) };
    });
    this.legend.replaceChildren(...this.values.map(({ item }) => item));
    this.#showEmpty();
    this.#build();
  }

  // Axes with nothing between them look as if they had been measured.
  #showEmpty() {
    const is_empty = !this.data?.slice(1).some((list) => list.some((v) => v != null));
    this.root.toggleAttribute("data-empty", is_empty);
    setText(this.empty, is_empty ? this.nothing : "");
  }

  // `data`: times in seconds, then a list per series; `from_s` to `to_s` is shown.
  set(data, from_s, to_s, words) {
    this.data = data;
    this.from_s = from_s;
    this.to_s = to_s;
    setText(this.words, words);
    this.#showEmpty();
    if (!this.plot) this.#build();
    this.plot?.batch(() => {
      this.plot.setData(this.#drawn(), false);
      this.plot.setScale("x", { min: from_s, max: to_s });
    });
    this.#showValues();
  }

  #build() {
    this.plot?.destroy();
    this.plot = null;
    const { clientWidth: width, clientHeight: height } = this.plot_box;
    if (width === 0) return;
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const grid = { stroke: color("--line"), width: 1 };
    const axis = { stroke: color("--muted"), font: FONT, grid, ticks: { show: false } };
    const options = {
      width,
      height,
      padding: [6, 18, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { time: true, range: () => [this.from_s ?? 0, this.to_s ?? 1] },
        y: { range: this.range, distr: this.log ? 3 : 1 },
      },
      axes: [
        { ...axis, size: 22, gap: 4, space: 48, incrs: STEPS_S, values: clocks },
        {
          ...axis,
          size: this.axis_width,
          gap: 4,
          space: 24,
          ...(this.log ? { splits: (_, __, min, max) => powersOfTen(min, max), filter: (_, splits) => splits } : {}),
          values: (_, splits) => splits.map((v) => this.mark(v)),
        },
      ],
      series: [
        {},
        ...this.series.map(({ color: name, dash, is_filled }) => ({
          stroke: color(name),
          fill: is_filled ? `color-mix(in srgb, ${color(name)} 14%, transparent)` : undefined,
          width: 1.5,
          dash,
          points: {
            size: 4,
            fill: color(name),
            show: (plot, _, first, last) => this.points && (last - first) * POINT_SPACE < plot.bbox.width / devicePixelRatio,
            filter: (plot, n, is_shown) => (is_shown ? null : alone(plot.data[n], ...plot.series[0].idxs)),
          },
        })),
      ],
      hooks: { setCursor: [() => this.#showValues()] },
    };
    this.plot = new uPlot(options, this.#drawn(), this.plot_box);
  }

  #drawn() {
    const [times, ...lists] = this.data ?? [[], ...this.series.map(() => [])];
    return [times, ...lists.map((list, n) => (this.series[n].hides_zeros ? withoutZeros(list) : list))];
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.plot_box;
    if (width === 0 || (width === this.plot?.width && height === this.plot?.height)) return;
    if (this.plot) this.plot.setSize({ width, height });
    else this.#build();
  }

  // Under the pointer, or else the newest.
  #showValues() {
    if (!this.data) return;
    const at = this.plot?.cursor.idx;
    this.values.forEach(({ value }, n) => {
      const list = this.data[n + 1] ?? [];
      const v = at == null ? list.findLast((v) => v != null) : list[at];
      setText(value, v == null ? "" : this.show(v));
    });
    const t = at == null ? null : this.data[0][at];
    setText(this.time, t == null ? "" : `at ${clock(t * 1000)}`);
    setAttribute(this.time, "data-shown", t == null ? "no" : "yes");
  }

  restyle() {
    this.#build();
  }
}

// The marks of time, named.
function clocks(plot, splits) {
  return splits.map((s) => (plot.valToPos(s, "x") < CLOCK_SPACE ? "" : clockMinutes(s * 1000)));
}

// Values between two gaps: no line leads to them, so they need a point.
function alone(list, first, last) {
  const found = [];
  for (let n = first; n <= last; n++) {
    if (list[n] != null && list[n - 1] == null && list[n + 1] == null) found.push(n);
  }
  return found;
}

// A line along the axis looks as if there were something all the time. What rises from zero keeps it.
function withoutZeros(list) {
  return list.map((v, n) => (v || list[n - 1] || list[n + 1] ? v : null));
}

function powersOfTen(min, max) {
  const powers = [];
  for (let n = Math.round(Math.log10(min)); n <= Math.round(Math.log10(max)); n++) powers.push(10 ** n);
  return powers;
}

// The colours are drawn, so they do not follow the scheme by themselves.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const chart of charts) chart.restyle();
});
