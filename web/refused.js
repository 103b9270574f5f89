// What was refused, and why: the first thing to look at when a badge seems dead.

import { el } from "./dom.js";
import { now_ms } from "./clock.js";
import { badgeLink } from "./route.js";
import { absolute, count, dayAndClock } from "./text.js";

const FINAL = "final, the Pi sets it aside";
const LATER = "the Pi sends it again";

// The collector's words, in ours; its answer, and what a Pi does then.
const REASONS = {
  broken: ["no JSON, or its request is broken", 400, FINAL],
  invalid: ["JSON that is no emission", 400, FINAL],
  ahead: ["its time is ahead of the collector's clock", 400, FINAL],
  too_old: ["its time is before the year 2000", 400, FINAL],
  too_large: ["its body, or its head, is too large", 413, FINAL],
  media_type: ["its Content-Type is not JSON", 415, FINAL],
  host: ["its Host is not allowed (--allowed-host), or a page of another site sent it", 403, "the Pi keeps it"],
  late: ["it did not arrive in time", 408, LATER],
  clock: ["the collector's own clock cannot be believed", 503, LATER],
  queue_full: ["too many emissions waited for the store", 503, LATER],
  unavailable: ["the store could not write", 503, LATER],
  failed: ["the store has failed", 503, LATER],
  stopping: ["the collector was about to stop", 503, LATER],
};

export class Refused {
  constructor() {
    this.reasons = el("tbody");
    this.latest = el("ul", { class: "refusals" });
    this.none = el("p", { class: "empty", text: "No emission was refused since the collector's start." });
    this.some = el(
      "div",
      { class: "refused", hidden: true },
      el(
        "div",
        {},
        el("h3", { text: "Since the start, by reason" }),
        el("table", { class: "reasons", "aria-label": "Refused by reason" }, this.reasons),
      ),
      el("div", {}, el("h3", { text: "The latest, newest first" }), el("p", { class: "note", text: "“from” is who connected: behind a proxy, that." }), this.latest),
    );
    this.root = el("section", { "aria-label": "Refused emissions" }, this.none, this.some);
    this.shown = "";
  }

  show({ refused_by_reason: refused, refused_latest: latest, total }) {
    const text = JSON.stringify([refused, latest]);
    if (text === this.shown) return;
    this.shown = text;
    this.none.hidden = total.refused > 0 || latest.length > 0;
    this.some.hidden = !this.none.hidden;
    const counted = Object.entries(refused).filter(([, n]) => n > 0);
    counted.sort(([, a], [, b]) => b - a);
    this.reasons.replaceChildren(...counted.map(reasonRow));
    this.latest.replaceChildren(...latest.map(refusalItem));
  }
}

function reasonRow([reason, n]) {
  // A collector that is newer than the page may have others.
  const [words, status, then] = REASONS[reason] ?? ["", "", "see its documentation"];
  return el(
    "tr",
    {},
    el("td", { class: "number", text: count(n) }),
    el("th", { scope: "row", text: reason }),
    el("td", {}, el("span", { text: words }), el("small", { text: [status, then].filter(Boolean).join(": ") })),
  );
}

// Most often first.
export function reasonsText(refused) {
  const counted = Object.entries(refused).sort(([, a], [, b]) => b - a);
  return counted.map(([reason, n]) => `${reason} ${count(n)}`).join(", ");
}

// Without a `badge_id` it is clear whose it is; null is one that could not be read.
export function refusalItem({ at, reason, badge_id, pi_id, from, errors }) {
  const time = el("time", { datetime: at, title: absolute(at), text: dayAndClock(Date.parse(at), now_ms()) });
  const who = el("span", { class: "refusal-who" });
  if (badge_id === null) who.append("badge unknown, ");
  else if (badge_id !== undefined) who.append("badge ", el("a", { href: badgeLink(badge_id), text: badge_id }), ", ");
  who.append(pi_id != null ? `Pi ${pi_id}` : "Pi unknown");
  if (from != null) who.append(`, from ${from}`);
  const why = el("ul", {}, ...errors.map((text) => el("li", { text })));
  return el("li", {}, time, " ", el("b", { text: reason }), " ", who, why);
}
