// The list of badges.

import { heardNow } from "./clock.js";
import { el, setAttribute, setText } from "./dom.js";
import { heardColumn, isSilent, levelOf, silence } from "./heard.js";
import { ListView } from "./list.js";
import { Poll } from "./poll.js";
import { listEveryMs, ROWS_EVERY_MS } from "./refresh.js";
import { reasonsText } from "./refused.js";
import { badgeLink } from "./route.js";
import { drawSparkline, sparkline } from "./sparkline.js";
import { byName, count, dbm, NOTHING } from "./text.js";

// A badge that changes what it says each 5 s is read so often a minute.
export const READINGS_MINUTE_FULL = 12;
// So many rows are asked for by name: a screen is less, and an address must stay short.
const ROWS_MAX = 40;
const PIS_SHOWN = 3;

const columns = [
  {
    id: "id",
    name: "Badge",
    order: (_, rank) => rank,
    make: () => el("a"),
    show(cell, { badge_id }) {
      setText(cell.firstChild, badge_id);
      setAttribute(cell.firstChild, "href", badgeLink(badge_id));
      setAttribute(cell.firstChild, "title", badge_id);
    },
  },
  heardColumn("A copy counts. Longest silent first; those heard within a minute are alike."),
  {
    id: "spark",
    name: "Last hour",
    hint: "New readings in each of the last 60 minutes",
    make: sparkline,
    tick: (cell, { readings_by_minute }) =>
      drawSparkline(cell.firstChild, readings_by_minute, READINGS_MINUTE_FULL, "New readings"),
  },
  numbers("minute", "New, min", "New readings in the last minute", (b) => b.readings_minute),
  numbers("hour", "New, h", "New readings in the last hour", (b) => b.readings_hour),
  numbers("copies", "Copies, h", "Copies in the last hour", (b) => b.copies_hour),
  {
    id: "best",
    name: "Best, dBm",
    hint: "The best level at which a Pi heard the badge in the last hour",
    order: ({ badge_strength_best }) => badge_strength_best ?? -Infinity,
    is_descending: true,
    show: (cell, { badge_strength_best }) => setText(cell, dbm(badge_strength_best)),
  },
  {
    id: "pis",
    name: "Heard by Pi, dBm",
    hint: "Longest silent last, each with the level at which it heard the badge",
    show(cell, { pis }) {
      const all = heardBy(pis);
      const more = all.length > PIS_SHOWN ? [`+${all.length - PIS_SHOWN}`] : [];
      setText(cell, [...all.slice(0, PIS_SHOWN), ...more].join(" · ") || NOTHING);
      setAttribute(cell, "title", all.join(" · "));
    },
  },
  {
    id: "beacons",
    name: "Beacons, dBm",
    hint: "The last reading's, strongest first",
    show(cell, { beacons }) {
      const text = beaconsText(beacons);
      setText(cell, text);
      setAttribute(cell, "title", text);
    },
  },
  {
    id: "refused",
    name: "Refused, h",
    hint: "Emissions refused in the last hour",
    order: ({ refused_hour }) => refused_hour,
    is_descending: true,
    show(cell, { refused_hour, refused, refused_last }) {
      setText(cell, refused_hour > 0 ? `▲ ${count(refused_hour)}` : "0");
      setAttribute(cell, "title", [reasonsText(refused), ...(refused_last?.errors ?? [])].join("\n"));
      setAttribute(cell, "data-level", refused_hour > 0 ? "warn" : "");
    },
  },
];

export function numbers(id, name, hint, value) {
  return {
    id,
    name,
    hint,
    order: value,
    is_descending: true,
    show: (cell, item) => setText(cell, count(value(item))),
  };
}

export function beaconsText(beacons) {
  const parts = Object.entries(beacons ?? {}).map(([id, rssi]) => `${id}\u00a0${dbm(rssi)}`);
  return parts.join(" · ") || NOTHING;
}

// Those that hear it now by name, or they would change places each second.
function heardBy(pis) {
  const age = ({ last_heard }) => silence(last_heard);
  const sorted = [...pis].sort((a, b) => age(a) - age(b) || byName(a.pi_id, b.pi_id));
  return sorted.map(({ pi_id, badge_strength: strength }) => (strength == null ? pi_id : `${pi_id}\u00a0${dbm(strength)}`));
}

export class Badges {
  constructor(onChange) {
    this.onChange = onChange;
    this.view = new ListView({
      name: "Badges",
      one: "badge",
      columns,
      key: ({ badge_id }) => badge_id,
      level: ({ last_heard }) => levelOf(last_heard),
      isSilent: ({ last_heard }) => isSilent(last_heard),
      matches: (badge, words) =>
        badge.badge_id.toLowerCase().includes(words) || badge.pis.some(({ pi_id }) => `pi ${pi_id}`.toLowerCase() === words),
      filter_hint: "part of a badge's id, or “pi 32”",
      empty: [
        "No badge has been heard yet. A first emission, by hand:",
        `curl ${location.origin}/rssi_readings -H 'Content-Type: application/json' -d '{"badge_id": "badge_0", "pi_id": "32", "beacons": {"beacon_1": -57}}'`,
      ],
    });
    this.length = 0;
    this.list = new Poll("badges", ROWS_EVERY_MS, (answer, length) => this.#show(answer, length));
    this.rows = new Poll(() => this.#rowsPath(), ROWS_EVERY_MS, (answer) => {
      heardNow(answer.now);
      this.view.update(answer.badges);
    });
  }

  setShown(is_shown) {
    this.view.setShown(is_shown);
    this.#pace();
    if (is_shown) this.list.again();
  }

  #pace() {
    this.list.every_ms = listEveryMs(this.length, this.view.is_shown);
  }

  #show(answer, length) {
    heardNow(answer.now);
    this.length = length;
    this.#pace();
    this.view.set(answer.badges, answer);
    this.onChange();
  }

  // A long list comes seldom, so the rows on the screen are asked for in between.
  #rowsPath() {
    if (!this.view.is_shown || this.list.every_ms < 2 * ROWS_EVERY_MS) return null;
    const ids = this.view.table.keysOnScreen().slice(0, ROWS_MAX);
    return ids.length === 0 ? null : `badges?${ids.map((id) => `badge_id=${encodeURIComponent(id)}`).join("&")}`;
  }
}
