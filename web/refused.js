// What was refused, and why: the first thing to look at when a badge seems dead.

import { el } from "./dom.js";
import { now_ms } from "./clock.js";
import { badgeLink } from "./route.js";
import { absolute, count, dayAndClock } from "./text.js";

// The collector's words, in ours.
const REASONS = {
  broken: "no JSON, or its framing is broken",
  invalid: "JSON that is no emission",
  ahead: "its time is ahead of the collector's clock",
  too_old: "its time is before the year 2000",
  clock: "the collector's own clock cannot be believed",
  queue_full: "too many emissions waited for the store",
  unavailable: "the store could not write",
  failed: "the store has failed",
  stopping: "the collector was about to stop",
};
// A Pi that gets one of these has nothing to mend, and sends again.
const LATER = new Set(["clock", "queue_full", "unavailable", "failed", "stopping"]);

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
      el("div", {}, el("h3", { text: "The latest, newest first" }), this.latest),
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
  const then = LATER.has(reason) ? "503: the Pi sends it again" : "400: final, the Pi sets it aside";
  return el(
    "tr",
    {},
    el("td", { class: "number", text: count(n) }),
    el("th", { scope: "row", text: reason }),
    el("td", {}, el("span", { text: REASONS[reason] ?? "" }), el("small", { text: then })),
  );
}

// Without a `badge_id` it is clear whose it is; null is one that could not be read.
export function refusalItem({ at, reason, badge_id, pi_id, errors }) {
  const time = el("time", { datetime: at, title: absolute(at), text: dayAndClock(Date.parse(at), now_ms()) });
  const who = el("span", { class: "refusal-who" });
  if (badge_id === null) who.append("badge unknown, ");
  else if (badge_id !== undefined) who.append("badge ", el("a", { href: badgeLink(badge_id), text: badge_id }), ", ");
  who.append(pi_id != null ? `Pi ${pi_id}` : "Pi unknown");
  const why = el("ul", {}, ...errors.map((text) => el("li", { text })));
  return el("li", {}, time, " ", el("b", { text: reason }), " ", who, why);
}
