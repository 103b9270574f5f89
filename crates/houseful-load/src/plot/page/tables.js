// The same in numbers: for those who do not see charts, and for copying.

function table(title, heads, rows, classes = "") {
  const cell = (tag, value, n) => el(tag, { class: heads[n].is_number ? "number" : null }, ...(value instanceof Node ? [value] : [el("span", { text: value })]));
  const head = el("tr", {}, ...heads.map(({ name, is_number }) => el("th", { scope: "col", class: is_number ? "number" : null, text: name })));
  const body = rows.map((row) => el("tr", {}, ...row.map((value, n) => (n === 0 ? cell("th", value, n) : cell("td", value, n)))));
  const whole = el("table", {}, el("thead", {}, head), el("tbody", {}, ...body));
  return el("section", { class: classes }, ...(title ? [el("h2", { text: title })] : []), whole);
}

const text = (name) => ({ name });
const number = (name) => ({ name, is_number: true });

function latencyTable(run) {
  return table("Latency", [text(""), number("all requests")], run.latencies.map(([name, us]) => [name, latency(us, 4)]));
}

function codesTable(run) {
  const is_bad = new Set(run.failures.map(({ kind }) => kind));
  const name = (code) => (code === 0 ? "no answer" : String(code));
  const mark = (code) => (code === 0 || is_bad.has(String(code)) ? el("span", {}, el("span", { class: "mark", text: "✕ " }), el("span", { text: name(code) })) : name(code));
  const rows = run.codes.map(([code, n]) => [mark(code), count(n), percent(n / run.requests)]);
  return table("Status", [text(""), number("requests"), number("share")], rows);
}

function failuresTable(run) {
  if (run.failures.length === 0) return el("section", { class: "failures" }, el("h2", { text: "Failures" }), el("p", { class: "note", text: "None: every status was one that was hoped for." }));
  const rows = run.failures.map(({ kind, count: n, first_s, example }) => [kind, count(n), percent(n / run.requests), time(first_s), example || NOTHING]);
  return table("Failures", [text(""), number("requests"), number("share"), number("first at"), text("for example")], rows, "failures");
}

function overTime(run) {
  const details = el("details", { class: "wide" }, el("summary", { text: `Over time, each ${time(run.bins.width_s)}` }));
  details.addEventListener("toggle", () => {
    if (details.children.length > 1) return;
    const { bins } = run;
    const heads = ["from", "asked/s", "answered/s", "min", "p50", "p90", "p95", "p99", "max", "failures"].map(number);
    const rows = bins.asked.map((asked, n) => [
      time(bins.from_s + n * bins.width_s),
      rate(asked),
      rate(bins.answered[n]),
      ...[bins.min, bins.p50, bins.p90, bins.p95, bins.p99, bins.max].map((list) => latency(list[n])),
      count(bins.kinds.reduce((sum, { counts }) => sum + counts[n], 0)),
    ]);
    details.append(table("", heads, rows));
  });
  return details;
}
