// A chart: uPlot with our colours, a legend that hides and tells, and a range of time that all share.

const FONT = '11px system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
const STEPS_S = [
  ...[-6, -5, -4, -3, -2, -1].flatMap((power) => [1, 2, 5].map((n) => Number(`${n}e${power}`))),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400],
];

// What is shown of the time axis, by every chart that has one.
class View {
  constructor(from, to) {
    Object.assign(this, { whole: [from, to], from, to, charts: [], listeners: [] });
  }

  set(from, to) {
    const [first, last] = this.whole;
    const least = (last - first) / 1e4;
    let width = Math.min(Math.max(to - from, least), last - first);
    this.from = Math.min(Math.max(from, first), last - width);
    this.to = this.from + width;
    for (const chart of this.charts) chart.plot?.setScale("x", { min: this.from, max: this.to });
    for (const listener of this.listeners) listener();
  }

  isWhole() {
    return this.from === this.whole[0] && this.to === this.whole[1];
  }

  all() {
    this.set(...this.whole);
  }

  // By `factor` around the middle; above 1 is out.
  zoom(factor) {
    const middle = (this.from + this.to) / 2;
    const half = ((this.to - this.from) / 2) * factor;
    this.set(middle - half, middle + half);
  }

  move(share) {
    const by = (this.to - this.from) * share;
    this.set(this.from + by, this.to + by);
  }
}

class Chart {
  // `series`: {name, color, at, show…} see `#series`; `value(chart, index)` tells each legend entry's text.
  constructor({ title, is_wide, view, x, y, data, series, bands, legend, nothing, tools = [], draw }) {
    Object.assign(this, { view, x, y, data, series, bands, legend, draw, hidden: new Set() });
    this.box = el("div", { class: "plot", "aria-hidden": "true" });
    this.at = el("span", { class: "legend-at" });
    this.entries = legend.map((entry) => this.#entry(entry));
    const caption = el("figcaption", {}, el("span", { class: "chart-title", text: title }), el("ul", { class: "legend" }, ...this.entries.map(({ item }) => item)), this.at, ...tools);
    this.root = el("figure", { class: is_wide ? "chart wide" : "chart" }, caption, this.box);
    if (nothing) {
      this.root.setAttribute("data-empty", "");
      this.root.append(el("p", { class: "plot-empty", text: nothing }));
    }
    this.resizes = new ResizeObserver(() => this.#resize());
    this.resizes.observe(this.box);
    view?.charts.push(this);
  }

  end() {
    this.resizes.disconnect();
    this.plot?.destroy();
  }

  #entry(entry) {
    const swatch = el("i", { class: `swatch ${entry.swatch ?? ""}` });
    if (entry.swatch) swatch.style.backgroundColor = `var(${entry.color})`;
    else swatch.style.borderTopColor = `var(${entry.color})`;
    if (entry.is_dashed) swatch.style.borderTopStyle = "dashed";
    // As wide as it may become, so that nothing moves under the pointer.
    const value = el("b");
    if (entry.value) value.style.minWidth = `${entry.room ?? 8}ch`;
    const button = el("button", { type: "button", "aria-pressed": String(!entry.is_hidden), title: `Show or hide ${entry.name}` }, swatch, el("span", { text: entry.name }), value);
    if (entry.is_hidden) this.hidden.add(entry);
    button.addEventListener("click", () => {
      const is_shown = this.hidden.has(entry);
      if (is_shown) this.hidden.delete(entry);
      else this.hidden.add(entry);
      button.setAttribute("aria-pressed", String(is_shown));
      this.build();
    });
    return { entry, value, item: el("li", {}, button) };
  }

  #isHidden(n) {
    return [...this.hidden].some(({ series }) => series.includes(n));
  }

  build() {
    this.plot?.destroy();
    this.plot = null;
    const { clientWidth: width, clientHeight: height } = this.box;
    if (width === 0) return;
    const grid = { stroke: color("--line"), width: 1 };
    const axis = { stroke: color("--muted"), font: FONT, grid, ticks: { show: false } };
    const options = {
      width,
      height,
      padding: [8, 22, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: Boolean(this.view), y: false, setScale: false },
        bind: { dblclick: () => () => this.view?.all() },
        ...(this.view ? { sync: { key: "time", filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } } } : {}),
      },
      scales: { x: { time: false, ...this.#xScale() }, y: this.y.scale() },
      axes: [
        { ...axis, size: 24, gap: 5, space: 70, ...this.x.axis() },
        { ...axis, size: 58, gap: 6, space: 28, ...this.y.axis() },
      ],
      series: [{}, ...this.series.map((one, n) => ({ ...one.style(), show: !this.#isHidden(n + 1) }))],
      bands: this.bands?.().filter(({ series }) => series.every((n) => !this.#isHidden(n))),
      hooks: {
        setCursor: [() => this.showValues()],
        setSelect: [(plot) => this.#zoom(plot)],
        draw: this.draw ? [this.draw] : [],
      },
    };
    this.plot = new uPlot(options, this.data(), this.box);
    this.showValues();
  }

  #xScale() {
    return this.view ? { range: (_, min, max) => [min, max], min: this.view.from, max: this.view.to, auto: false } : this.x.scale();
  }

  #zoom(plot) {
    const { left, width } = plot.select;
    if (width < 3) return;
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.view.set(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (width === 0 || (width === this.plot?.width && height === this.plot?.height)) return;
    if (this.plot) this.plot.setSize({ width, height });
    else this.build();
  }

  // Of what is under the pointer.
  showValues() {
    const { left, idx } = this.plot?.cursor ?? {};
    const at = idx == null || left < 0 ? null : this.plot.posToVal(left, "x");
    for (const { entry, value } of this.entries) {
      value.textContent = this.hidden.has(entry) ? "" : ((at == null ? entry.overall : entry.value?.(at)) ?? "");
    }
    this.at.textContent = at == null ? "" : this.x.name(at);
  }
}

const time_axis = {
  axis: () => ({ incrs: STEPS_S, values: (_, splits, __, ___, step) => splits.map((s) => time(s, step)) }),
  name: (s) => `at ${time(s)}`,
};

const POWERS = [1, 2, 5];

// `is_log()` may change; then the chart is built anew.
function valueAxis(is_log, name, least, room = 1.06) {
  return {
    scale: () => ({
      distr: is_log() ? 3 : 1,
      range: (_, min, max) => {
        if (min == null || max == null) return is_log() ? [least, least * 10] : [0, 1];
        if (!is_log()) return [0, max > 0 ? max * room : 1];
        const low = Math.max(min, least) / 1.4;
        return [low, Math.max(max * (room > 1.1 ? 8 : 1.5), low * 10)];
      },
    }),
    axis: () => ({
      values: (_, splits) => splits.map((v) => (v == null ? "" : name(v))),
      ...(is_log() ? { splits: (_, __, min, max) => logSplits(min, max), filter: (_, splits) => splits } : {}),
    }),
  };
}

function logSplits(min, max) {
  const decades = Math.log10(max / min);
  const steps = decades > 2.5 ? [1] : POWERS;
  const every = Math.max(1, Math.ceil(decades / 7));
  const splits = [];
  for (let power = Math.floor(Math.log10(min) + 1e-9); power <= Math.log10(max) + 1e-9; power += every) {
    for (const n of steps) {
      const v = n * 10 ** power;
      if (v >= min * 0.999 && v <= max * 1.001) splits.push(v);
    }
  }
  return splits;
}
