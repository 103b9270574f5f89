// The collector's time. The reader's own clock may be wrong; ages would be, too.

let ahead_ms = null;
let heard_ms = null;
let is_held = false;

// An answer said what time it is.
export function heardNow(text) {
  heard_ms = Date.parse(text);
  ahead_ms = heard_ms - performance.now();
  is_held = false;
}

// Nothing answers any more: nobody has become silent because of that.
export function holdAges() {
  is_held = heard_ms !== null;
}

export function now_ms() {
  return ahead_ms === null ? Date.now() : performance.now() + ahead_ms;
}

// How long ago that was; null if it never was.
export function age_ms(text) {
  return text == null ? null : Math.max(0, (is_held ? heard_ms : now_ms()) - Date.parse(text));
}
