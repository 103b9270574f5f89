// Numbers and times as people read them.

const counts = new Intl.NumberFormat("en");
const collator = new Intl.Collator("en", { numeric: true });
const clocks = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export const NOTHING = "–";

// badge_9 before badge_10.
export function byName(a, b) {
  return collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

export function count(n) {
  return n == null ? NOTHING : counts.format(n);
}

export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

// A rate: three figures are enough.
export function rate(n) {
  if (n == null || !Number.isFinite(n)) return NOTHING;
  return n >= 100 || Number.isInteger(n) ? count(Math.round(n)) : n.toPrecision(n >= 1 ? 3 : 2);
}

export function percent(share) {
  return share == null ? NOTHING : `${(share * 100).toFixed(1)} %`;
}

export function milliseconds(ms) {
  if (ms == null) return NOTHING;
  if (ms >= 1000) return `${(ms / 1000).toPrecision(3)} s`;
  if (ms < 0.1) return `${Number((ms * 1000).toPrecision(2))} µs`;
  return `${ms >= 100 ? Math.round(ms) : ms.toPrecision(2)} ms`;
}

export function bytes(n) {
  if (n == null) return NOTHING;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) [n, unit] = [n / 1024, unit + 1];
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toPrecision(3)} ${units[unit]}`;
}

// RSSI, with a real minus.
export function dbm(n) {
  return n == null ? NOTHING : String(n).replace("-", "\u2212");
}

// How long, in one unit.
export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

// The time of day where the reader is.
export function clock(ms) {
  return clocks.format(ms);
}

export function clockMinutes(ms) {
  return minutes.format(ms);
}

// The time of day, with the day unless it is today's.
export function dayAndClock(ms, now_ms) {
  const is_today = new Date(ms).toDateString() === new Date(now_ms).toDateString();
  return is_today ? clock(ms) : `${days.format(ms)} ${clock(ms)}`;
}

export function dayAndMinutes(ms, now_ms) {
  const is_today = new Date(ms).toDateString() === new Date(now_ms).toDateString();
  return is_today ? clockMinutes(ms) : `${days.format(ms)} ${clockMinutes(ms)}`;
}

// Both: where the reader is, and in UTC as stored.
export function absolute(text) {
  if (!text) return "";
  const date = new Date(text);
  return `${days.format(date)} ${date.getFullYear()}, ${clock(date)} here; ${text}`;
}
