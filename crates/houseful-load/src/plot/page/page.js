// The page: which run, which scheme, which part of the time.

const numbers = JSON.parse(byId("numbers").textContent);
const HINT = matchMedia("(pointer: coarse)").matches ? "Zoom and move over time." : "Drag over a chart to zoom; double-click to see all again.";
const state = { is_log: true, is_log_counts: false };
let charts = [];

function toggle(name, is_pressed, change) {
  const button = el("button", { type: "button", class: "toggle", "aria-pressed": String(is_pressed), text: name });
  button.addEventListener("click", () => {
    const is_on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(is_on));
    change(is_on);
  });
  return button;
}

const MARKS = { good: "●", idle: "○", warn: "▲" };

function showVerdict({ verdict: { level, headline, detail } }) {
  const mark = el("span", { class: "mark", "aria-hidden": "true", text: MARKS[level] });
  const words = el("span", {}, el("strong", { text: headline }), headline ? " " : "", detail);
  const box = byId("verdict");
  box.setAttribute("data-level", level);
  box.replaceChildren(mark, words);
}

function showFigures(run) {
  const of = Object.fromEntries(run.latencies);
  const failed = run.requests - run.successes;
  const success = run.successes / run.requests;
  const figures = [
    ["Requests", count(run.requests), `in ${time(run.end_s)}`],
    ["Rate", `${rate(run.rate)}/s`, `${rate(run.throughput)}/s succeeded`],
    ["Median", latency(of.p50), `mean ${latency(of.mean)}`],
    ["99th percentile", latency(of.p99), `99.9th ${latency(of["p99.9"])}`],
    ["Longest", latency(of.max), `shortest ${latency(of.min)}`],
    ["Succeeded", percent(success), failed === 0 ? "no failures" : plural(failed, "failure"), failed > 0 ? "warn" : null],
  ];
  const figure = ([name, value, note, level]) => el("div", { "data-level": level }, el("dt", { text: name }), el("dd", {}, el("div", { class: "value", text: value }), el("div", { class: "note", text: note })));
  byId("figures").replaceChildren(...figures.map(figure));
}

function showZoom(view) {
  const button = (name, label, act) => el("button", { type: "button", text: name, "aria-label": label, title: label, onclick: act });
  const buttons = [button("+", "Zoom in", () => view.zoom(0.5)), button("−", "Zoom out", () => view.zoom(2)), button("◂", "Earlier", () => view.move(-0.5)), button("▸", "Later", () => view.move(0.5)), button("All", "Show all of the time", () => view.all())];
  const range = el("span", { class: "note", role: "status" });
  const show = () => {
    for (const one of buttons.slice(1)) one.disabled = view.isWhole();
    range.textContent = view.isWhole() ? HINT : `${time(view.from)} to ${time(view.to)}`;
  };
  view.listeners.push(show);
  byId("zoom").replaceChildren(...buttons, range);
  show();
}

function show(run) {
  for (const chart of charts) chart.end();
  byId("about").textContent = `${run.name ? `${run.name || "without a name"} · ` : ""}started ${day(run.started)}`;
  showVerdict(run);
  showFigures(run);
  const from = Math.min(0, run.bins.from_s);
  const view = new View(from, Math.max(run.end_s, from + 1e-6));
  showZoom(view);
  const log = toggle("Log scale", state.is_log, (is_on) => {
    state.is_log = is_on;
    charts[0].build();
  });
  const log_counts = toggle("Log counts", state.is_log_counts, (is_on) => {
    state.is_log_counts = is_on;
    charts.at(-1).build();
  });
  charts = [latencyChart(run, view, state, [log]), rateChart(run, view), codesChart(run, view), failuresChart(run, view), histogramChart(run, state, [log_counts])];
  byId("charts").replaceChildren(...charts.map(({ root }) => root));
  byId("tables").replaceChildren(latencyTable(run), codesTable(run), failuresTable(run), overTime(run));
  // What it returns would decide whether a key does what it does elsewhere.
  document.onkeydown = ({ key }) => {
    if (key === "Escape") view.all();
  };
}

function showAttacks() {
  if (numbers.runs.length < 2) return;
  const buttons = numbers.runs.map((run) => {
    const name = run.name == null ? "All attacks" : run.name || "(no name)";
    const button = el("button", { type: "button", class: "toggle", text: name, "aria-pressed": String(run === numbers.runs[0]) });
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      show(run);
    });
    return button;
  });
  const note = numbers.has_others ? [el("span", { class: "note", text: "There are more attacks; the others are in all of them together." })] : [];
  byId("attacks").replaceChildren(...buttons, ...note);
  byId("attacks").hidden = false;
}

// What is drawn does not follow the scheme by itself.
const prefers_dark = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  return (document.documentElement.dataset.scheme ?? (prefers_dark.matches ? "dark" : "light")) === "dark";
}

const scheme = el("button", { type: "button" });

function restyle() {
  scheme.textContent = isDark() ? "Light" : "Dark";
  scheme.setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
  for (const chart of charts) chart.build();
}

scheme.addEventListener("click", () => {
  document.documentElement.dataset.scheme = isDark() ? "light" : "dark";
  restyle();
});
prefers_dark.addEventListener("change", restyle);

byId("title").textContent = numbers.title;
byId("tools").append(scheme);
showAttacks();
show(numbers.runs[0]);
restyle();
