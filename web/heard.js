// When somebody was last heard, and whether that is too long ago.

import { age_ms } from "./clock.js";
import { el, setAttribute, setText } from "./dom.js";
import { absolute, span } from "./text.js";

// A badge is heard each second.
const SILENT_MS = 60_000;
const GONE_MS = 600_000;

const MARKS = { good: "●", warn: "▲", bad: "■", idle: "○" };

export function levelOf(last_heard) {
  const age = age_ms(last_heard);
  if (age === null) return "bad";
  return age < SILENT_MS ? "good" : age < GONE_MS ? "warn" : "bad";
}

export function isSilent(last_heard) {
  return levelOf(last_heard) !== "good";
}

// For sorting: those who are heard are all alike, or the rows would never stand still.
export function silence(last_heard) {
  const age = age_ms(last_heard);
  if (age === null) return Infinity;
  return age < SILENT_MS ? 0 : age;
}

export function heardText(last_heard) {
  const age = age_ms(last_heard);
  if (age === null) return "never heard";
  return age < SILENT_MS ? `${span(age)} ago` : `silent ${span(age)}`;
}

export function heardCell() {
  return el("span", { class: "heard" }, el("span", { class: "mark", "aria-hidden": "true" }), " ", el("span"));
}

export function showHeard(node, last_heard) {
  const level = levelOf(last_heard);
  setAttribute(node, "data-level", level);
  setAttribute(node, "title", absolute(last_heard) || "not since it is known");
  setText(node.firstChild, MARKS[level]);
  setText(node.lastChild, heardText(last_heard));
}
