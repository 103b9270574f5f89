// Whether all is well, in one line that stands at the top and cannot be missed when it is not.

import { announce, byId, setAttribute, setText } from "./dom.js";
import { age_ms, holdAges, now_ms } from "./clock.js";
import { clock, count, span } from "./text.js";

const MARKS = { idle: "○", good: "●", warn: "▲", bad: "■" };
// So full, and single emissions are soon answered with 503.
const QUEUE_SHARE_WARN = 0.8;

let answered_at_ms = null;
let fault = null;
let activity = null;
let shown = null;

export function answered(answer) {
  answered_at_ms = now_ms();
  fault = null;
  activity = answer;
  showStatus();
}

export function failed(why) {
  fault = why;
  holdAges();
  showStatus();
}

// Whether what the page shows is of now.
export function isConnected() {
  return fault === null;
}

// Also each second, for the time goes on when nothing else does.
export function showStatus() {
  const { level, title, detail } = judge();
  setAttribute(byId("status"), "data-level", level);
  setText(byId("status-mark"), MARKS[level]);
  setText(byId("status-title"), title);
  setText(byId("status-detail"), detail);
  document.documentElement.toggleAttribute("data-stale", fault !== null && activity !== null);
  if (shown !== null && shown !== title) announce(`${title}. ${detail}`);
  shown = title;
}

function judge() {
  if (fault?.status != null) {
    return { level: "bad", title: `The collector answers ${fault.status}`, detail: fault.message };
  }
  if (fault !== null) {
    if (answered_at_ms === null) {
      return { level: "bad", title: "No connection to the collector", detail: "It has not answered yet." };
    }
    return {
      level: "bad",
      title: `No connection since ${clock(answered_at_ms)}`,
      detail: `What is shown is ${span(now_ms() - answered_at_ms)} old. Trying again.`,
    };
  }
  if (activity === null) return { level: "idle", title: "Connecting", detail: "" };
  return ofStore(activity) ?? ofTraffic(activity);
}

function ofStore({ store }) {
  const why = store.reason ? ` ${store.reason}.` : "";
  switch (store.state) {
    case "ready":
      break;
    case "refusing":
      return {
        level: "bad",
        title: "The store cannot write now",
        detail: `${why} Emissions are answered 503; Pis keep them and send them again.`.trim(),
      };
    case "failed":
      return {
        level: "bad",
        title: "The store has failed",
        detail: `${why} Nothing more is accepted; the collector ends and must be started afresh.`.trim(),
      };
    case "stopping":
      return { level: "warn", title: "The collector is stopping", detail: "It finishes what it has taken." };
    default:
      return { level: "warn", title: `The store is ${store.state}`, detail: why.trim() };
  }
  if (store.queue_len > store.queue_len_max * QUEUE_SHARE_WARN) {
    const queue = `${count(store.queue_len)} of ${count(store.queue_len_max)}`;
    return { level: "warn", title: "The store is falling behind", detail: `${queue} wait to be written.` };
  }
  return null;
}

function ofTraffic({ minute, total, started_at }) {
  if (total.emissions === 0) {
    return { level: "idle", title: "Ready", detail: "Waiting for the first emission." };
  }
  // A young collector has not seen a whole minute yet.
  if (minute.emissions === 0 && age_ms(started_at) > 60_000) {
    return { level: "warn", title: "No emission for a minute", detail: "The collector is ready; no Pi sends." };
  }
  if (minute.emissions > 0 && minute.refused === minute.emissions) {
    return { level: "warn", title: "Every emission is refused", detail: "The list “Refused” says why." };
  }
  return { level: "good", title: "Ready", detail: "Emissions are taken." };
}
