// Which charts there are, of one run.

// Points that are nearer than so many pixels only blur the line.
const POINT_SPACE = 18;
// What is below cannot be drawn on a logarithmic axis: a nanosecond.
const LEAST_US = 0.001;
const GOOD_COLORS = ["--series-1", "--series-2", "--series-4", "--series-5"];
const BAD_COLORS = ["--bad", "--series-3", "--series-6", "--warn", "--series-4", "--series-5", "--series-2"];

function middles({ from_s, width_s }, indexes) {
  return indexes.map((n) => from_s + (n + 0.5) * width_s);
}

function line(name, width = 1.5, more = {}) {
  return {
    style: () => ({
      stroke: color(name),
      width,
      spanGaps: false,
      points: { size: 4, fill: color(name), show: hasRoom },
      ...(more.dash ? { dash: more.dash } : {}),
      ...(more.fill ? { fill: faint(name, more.fill) } : {}),
    }),
  };
}

function hasRoom(plot, n) {
  const [from, to] = [plot.scales.x.min, plot.scales.x.max];
  const [times] = plot.data;
  let shown = 0;
  for (let i = 0; i < times.length; i++) {
    if (times[i] >= from && times[i] <= to && plot.data[n][i] != null) shown++;
  }
  return shown * POINT_SPACE < plot.bbox.width / devicePixelRatio;
}

function dots(name, size, share) {
  return {
    style: () => ({ paths: () => null, points: { show: true, size, width: 0, fill: faint(name, share), stroke: faint(name, share) } }),
  };
}

// Only bounds a band.
const edge = { style: () => ({ stroke: "transparent", width: 0, points: { show: false } }) };

function indexAt({ from_s, width_s, asked }, s) {
  const n = Math.floor((s - from_s) / width_s);
  return n >= 0 && n < asked.length ? n : null;
}

function latencyChart(run, view, state, tools) {
  const { bins, columns } = run;
  const indexes = bins.asked.map((_, n) => n);
  const lists = [bins.min, bins.p50, bins.p90, bins.p95, bins.p99, bins.max];
  const table = ({ at, min, max }) => [middles(columns, at), min, max];
  const joined = uPlot.join([[middles(bins, indexes), ...lists], table(columns.good), table(columns.bad)]);
  const data = () => (state.is_log ? [joined[0], ...joined.slice(1).map((list) => list.map((v) => (v == null ? v : Math.max(v, LEAST_US))))] : joined);
  const of = (list) => (s) => {
    const n = indexAt(bins, s);
    return n == null ? NOTHING : latency(list[n]);
  };
  const blue = "--series-1";
  const [fine, failed] = [dots("--ink", 2.5, 0.4), dots("--bad", 5, 0.9)];
  const overall = Object.fromEntries(run.latencies.map(([name, us]) => [name, latency(us)]));
  const has_bad = columns.bad.at.length > 0;
  return new Chart({
    title: "Latency",
    is_wide: true,
    view,
    data,
    x: time_axis,
    y: valueAxis(() => state.is_log, (v) => latency(v), LEAST_US),
    series: [edge, line(blue, 2), line("--series-2"), line("--series-5"), line("--series-3"), edge, fine, fine, failed, failed],
    bands: () => [
      { series: [6, 5], fill: faint(blue, 0.09) },
      { series: [5, 3], fill: faint(blue, 0.16) },
      { series: [3, 2], fill: faint(blue, 0.24) },
      { series: [2, 1], fill: faint(blue, 0.14) },
    ],
    legend: [
      { name: "p50", color: blue, series: [2], value: of(bins.p50), overall: overall.p50 },
      { name: "p90", color: "--series-2", series: [3], value: of(bins.p90), overall: overall.p90 },
      { name: "p95", color: "--series-5", series: [4], is_hidden: true, value: of(bins.p95), overall: overall.p95 },
      { name: "p99", color: "--series-3", series: [5], value: of(bins.p99), overall: overall.p99 },
      { name: "min to max", color: blue, swatch: "fill", series: [1, 6], value: (s) => `${of(bins.min)(s)} – ${of(bins.max)(s)}`, overall: `${overall.min} – ${overall.max}`, room: 18 },
      { name: "fastest and slowest", color: "--ink", swatch: "dots", series: [7, 8] },
      ...(has_bad ? [{ name: "failures", color: "--bad", swatch: "dots", series: [9, 10] }] : []),
    ],
    tools,
  });
}

function rateChart(run, view) {
  const { bins } = run;
  const times = middles(bins, bins.asked.map((_, n) => n));
  const answered = run.codes.reduce((sum, [code, n]) => (code === 0 ? sum : sum + n), 0);
  const of = (list) => (s) => `${rate(list[indexAt(bins, s)])}/s`;
  return new Chart({
    title: "Requests a second",
    view,
    data: () => [times, bins.answered, bins.asked],
    x: time_axis,
    y: valueAxis(() => false, rate),
    series: [line("--series-1", 1.5, { fill: 0.12 }), line("--series-3", 1.5, { dash: [5, 3] })],
    legend: [
      { name: run.is_paced ? "asked" : "sent", color: "--series-3", is_dashed: true, series: [2], value: of(bins.asked), overall: `${rate(run.sent_rate)}/s` },
      { name: "answered", color: "--series-1", series: [1], value: of(bins.answered), overall: `${rate(answered / run.end_s)}/s` },
    ],
  });
}

// A line along the axis looks as if there were something all the time. What rises from zero keeps it.
function withoutZeros(list) {
  return list.map((v, n) => (v || list[n - 1] || list[n + 1] ? v : null));
}

// By name, the same in every chart.
function colorsOf({ codes, kinds }) {
  const colors = new Map();
  let [good, bad] = [0, 0];
  for (const { name, is_failure } of [...kinds, ...codes]) {
    if (!colors.has(name)) colors.set(name, is_failure ? BAD_COLORS[bad++ % BAD_COLORS.length] : GOOD_COLORS[good++ % GOOD_COLORS.length]);
  }
  return colors;
}

function codesChart(run, view) {
  const { bins } = run;
  const times = middles(bins, bins.asked.map((_, n) => n));
  const total = (n) => bins.codes[n].counts.reduce((sum, v) => sum + v, 0);
  const totals = bins.asked.map((_, n) => bins.codes.reduce((sum, { counts }) => sum + counts[n], 0));
  // A share of the rate of all that ended: the last stretch may be shorter.
  const rates = bins.codes.map(({ counts }) => counts.map((v, n) => (totals[n] === 0 ? 0 : (v / totals[n]) * bins.ended[n])));
  const colors = colorsOf(bins);
  return new Chart({
    title: "Answers by status, a second",
    view,
    data: () => [times, ...rates.map(withoutZeros)],
    x: time_axis,
    y: valueAxis(() => false, rate),
    series: bins.codes.map(({ name }) => line(colors.get(name))),
    legend: bins.codes.map(({ name }, n) => ({ name, color: colors.get(name), series: [n + 1], value: (s) => `${rate(rates[n][indexAt(bins, s)])}/s`, overall: `${rate(total(n) / run.end_s)}/s` })),
  });
}

function failuresChart(run, view) {
  const { bins } = run;
  const times = middles(bins, bins.asked.map((_, n) => n));
  const colors = colorsOf(bins);
  const is_none = bins.kinds.length === 0;
  return new Chart({
    title: `Failures per ${time(bins.width_s)}`,
    view,
    data: () => [times, ...(is_none ? [times.map(() => null)] : bins.kinds.map(({ counts }) => withoutZeros(counts)))],
    x: time_axis,
    y: valueAxis(() => false, (v) => (Number.isInteger(v) ? count(v) : "")),
    series: is_none ? [edge] : bins.kinds.map(({ name }) => failures(colors.get(name))),
    legend: bins.kinds.map(({ name, counts }, n) => ({ name, color: colors.get(name), series: [n + 1], value: (s) => count(counts[indexAt(bins, s)] ?? 0), overall: count(counts.reduce((sum, v) => sum + v, 0)), room: 5 })),
    nothing: is_none ? "No failures" : "",
  });
}

// Each with a point, however narrow it is.
function failures(name) {
  const { style } = line(name, 1.5, { fill: 0.1 });
  return { style: () => ({ ...style(), points: { show: true, size: 4, fill: color(name), filter: notZero } }) };
}

function notZero(plot, n) {
  return plot.data[n].flatMap((v, i) => (v > 0 ? [i] : []));
}

function histogramChart(run, state, tools) {
  const { edges, counts } = run.histogram;
  const xs = edges.map((v) => Math.max(v, LEAST_US));
  const total = run.requests;
  const stepped = uPlot.paths.stepped({ align: 1 });
  const marks = ["p50", "p90", "p99"].map((name) => [name, Object.fromEntries(run.latencies)[name]]);
  const stepAt = (us) => edges.findLastIndex((start) => start <= us);
  return new Chart({
    title: "How long requests took",
    // The last count goes on to the last edge.
    data: () => [xs, [...counts, counts.at(-1)].map((v) => (v === 0 && state.is_log_counts ? 0.5 : v))],
    x: {
      scale: () => ({ distr: 3, range: () => [xs[0], xs.at(-1)] }),
      axis: () => ({ splits: (_, __, min, max) => logSplits(min, max), filter: (_, splits) => splits, values: (_, splits) => splits.map((v) => latency(v)) }),
      name: (us) => {
        const n = stepAt(us);
        return n < 0 || n >= counts.length ? "" : `${latency(edges[n])} to ${latency(edges[n + 1])}`;
      },
    },
    y: valueAxis(() => state.is_log_counts, (v) => (Number.isInteger(v) ? count(v) : ""), 0.5, 1.3),
    series: [{ style: () => ({ stroke: color("--series-1"), fill: faint("--series-1", 0.22), width: 1.5, paths: (plot, n, from, to) => stepped(plot, n, from, to), fillTo: (plot) => plot.scales.y.min, points: { show: false } }) }],
    legend: [{ name: "requests", color: "--series-1", series: [1], value: (us) => (counts[stepAt(us)] == null ? "" : `${count(counts[stepAt(us)])} · ${percent(counts[stepAt(us)] / total)}`), overall: count(total), room: 16 }],
    draw: (plot) => drawMarks(plot, marks),
    tools,
  });
}

// Percentiles, as lines with names from the right to the left, so that none covers another.
function drawMarks(plot, marks) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = FONT.replace("11px", `${11 * devicePixelRatio}px`);
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.lineWidth = devicePixelRatio;
  let row = 0;
  let last_end = -Infinity;
  for (const [name, us] of marks) {
    const x = Math.round(plot.valToPos(us, "x", true)) + 0.5;
    if (!(x >= bbox.left && x <= bbox.left + bbox.width)) continue;
    ctx.strokeStyle = color("--edge");
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const text = `${name} ${latency(us)}`;
    const width = ctx.measureText(text).width;
    const is_left = x + width + 8 * devicePixelRatio > bbox.left + bbox.width;
    const start = is_left ? x - width - 4 * devicePixelRatio : x + 4 * devicePixelRatio;
    row = start < last_end ? row + 1 : 0;
    last_end = start + width + 6 * devicePixelRatio;
    const y = bbox.top + row * 14 * devicePixelRatio;
    ctx.fillStyle = faint("--surface", 0.85);
    ctx.fillRect(start - 2, y, width + 4, 13 * devicePixelRatio);
    ctx.fillStyle = color("--ink");
    ctx.fillText(text, start, y + devicePixelRatio);
  }
  ctx.restore();
}
