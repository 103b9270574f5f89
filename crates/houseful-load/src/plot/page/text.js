// Numbers as people read them. Latencies come in microseconds, times in seconds from the first request.

const NOTHING = "–";
const counts = new Intl.NumberFormat("en");

function count(n) {
  return n == null ? NOTHING : counts.format(n);
}

function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

function figures(n, digits) {
  return n >= 10 ** digits ? String(Math.round(n)) : String(Number(n.toPrecision(digits)));
}

function latency(us, digits = 3) {
  if (us == null) return NOTHING;
  if (us < 1e3) return us < 1 && us > 0 ? `${Math.round(us * 1e3)} ns` : `${figures(us, digits)} µs`;
  if (us < 1e6) return `${figures(us / 1e3, digits)} ms`;
  if (us < 6e7) return `${figures(us / 1e6, digits)} s`;
  return `${figures(us / 6e7, digits)} min`;
}

function rate(n) {
  if (n == null) return NOTHING;
  return n >= 1000 ? count(Math.round(n)) : figures(n, 4);
}

function percent(share) {
  if (share > 0 && share < 0.0001) return "< 0.01 %";
  if (share < 1 && share > 0.9999) return "> 99.99 %";
  return `${Number((share * 100).toFixed(2))} %`;
}

// A time as the axis names it: 12.5 s, then 1:30 min, then 2:15:00 h.
function time(s, step = 0) {
  const decimals = step > 0 && step < 1 ? Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)) : 0;
  if (Math.abs(s) < 60) return `${step > 0 ? s.toFixed(decimals) : figures(s, 4)} s`;
  const sign = s < 0 ? "−" : "";
  const whole = Math.abs(step > 0 ? s : Math.round(s));
  const seconds = (whole % 60).toFixed(decimals).padStart(decimals > 0 ? decimals + 3 : 2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  if (hours > 0) return `${sign}${hours}:${String(minutes).padStart(2, "0")}:${seconds} h`;
  return `${sign}${minutes}:${seconds} min`;
}

function day(text) {
  return new Date(text).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}
