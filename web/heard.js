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

// How long ago something of somebody silent was refused, if that was just now: it sends, in vain.
function refusedFor(last_heard, refused_last) {
  const age = age_ms(refused_last?.at);
  return isSilent(last_heard) && age !== null && age < SILENT_MS ? age : null;
}

function heardText(last_heard) {
  const age = age_ms(last_heard);
  if (age === null) return "never heard";
  return age < SILENT_MS ? `${span(age)} ago` : `silent ${span(age)}`;
}

export function heardCell() {
  return el("span", { class: "heard" }, el("span", { class: "mark", "aria-hidden": "true" }), " ", el("span"));
}

// Two lengths: `is_whole` where there is room for a sentence.
export function showHeard(node, last_heard, refused_last, is_whole = false) {
  const level = levelOf(last_heard);
  const heard = heardText(last_heard);
  const refused = refusedFor(last_heard, refused_last);
  const whole = refused === null ? heard : `${heard}; sends, but all is refused, ${span(refused)} ago`;
  const at = absolute(last_heard) || "not since it is known";
  setAttribute(node, "data-level", level);
  setAttribute(node, "title", refused === null ? at : `${whole} (${at})`);
  setText(node.firstChild, MARKS[level]);
  setText(node.lastChild, is_whole || refused === null ? whole : `all refused, ${span(refused)} ago`);
}

// The column of a list, of badges or of Pis.
export function heardColumn(hint) {
  const show = (cell, { last_heard, refused_last }) => showHeard(cell.firstChild, last_heard, refused_last);
  return {
    id: "heard",
    name: "Last heard",
    hint,
    order: ({ last_heard }) => silence(last_heard),
    is_descending: true,
    make: heardCell,
    show,
    tick: show,
  };
}
