// How often a list is fetched: small ones every 2 s, large ones as often as their size allows, for many may look.

const BYTES_PER_SECOND = 50_000;
const EVERY_MS_MIN = 2_000;
const EVERY_MS_MAX = 30_000;
// A list that is not shown still says in its tab who is silent.
const ASIDE = 5;

export const ROWS_EVERY_MS = EVERY_MS_MIN;

export function listEveryMs(length, is_shown) {
  const every_ms = Math.max(EVERY_MS_MIN, (length / BYTES_PER_SECOND) * 1000) * (is_shown ? 1 : ASIDE);
  return Math.min(EVERY_MS_MAX, every_ms);
}
