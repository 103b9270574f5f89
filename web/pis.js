// The list of Pis.

import { numbers } from "./badges.js";
import { age_ms, heardNow } from "./clock.js";
import { el, setAttribute, setText } from "./dom.js";
import { heardColumn, isSilent, levelOf } from "./heard.js";
import { ListView } from "./list.js";
import { Poll } from "./poll.js";
import { listEveryMs, ROWS_EVERY_MS } from "./refresh.js";
import { reasonsText } from "./refused.js";
import { drawSparkline, sparkline } from "./sparkline.js";
// Twenty badges, each heard once a second.
const EMISSIONS_MINUTE_FULL = 60;
const HOUR_MS = 3_600_000;

const refusedTotal = ({ refused }) => Object.values(refused).reduce((sum, n) => sum + n, 0);

const columns = (searchBadges) => [
  {
    id: "id",
    name: "Pi",
    hint: "Choose one to see the badges that it hears",
    order: (_, rank) => rank,
    make: () => el("button", { type: "button", class: "link" }),
    show(cell, { pi_id }) {
      setText(cell.firstChild, pi_id);
      setAttribute(cell.firstChild, "title", `${pi_id}: the badges that it hears`);
      cell.firstChild.onclick = () => searchBadges(`pi ${pi_id}`);
    },
  },
  heardColumn("Longest silent first; those heard within a minute are alike."),
  {
    id: "spark",
    name: "Last hour",
    hint: "Emissions in each of the last 60 minutes, copies too",
    make: sparkline,
    tick: (cell, { emissions_by_minute }) =>
      drawSparkline(cell.firstChild, emissions_by_minute, EMISSIONS_MINUTE_FULL, "Emissions"),
  },
  numbers("minute", "First, min", "Emissions that came first, in the last minute", (p) => p.readings_minute),
  numbers("hour", "First, h", "Emissions that came first, in the last hour", (p) => p.readings_hour),
  numbers("copies", "Copies, h", "Emissions that came after another Pi's, in the last hour", (p) => p.copies_hour),
  numbers("badges", "Badges, h", "Badges heard in the last hour", (p) => p.badges_hour),
  {
    id: "refused",
    name: "Refused, since start",
    hint: "Emissions refused since the collector's start, by reason; and what was wrong with the last, if that is of the last hour",
    order: refusedTotal,
    is_descending: true,
    show(cell, pi) {
      const total = refusedTotal(pi);
      const last = pi.refused_last;
      const why = last && age_ms(last.at) < HOUR_MS ? last.errors : [];
      setText(cell, total > 0 ? [`▲ ${reasonsText(pi.refused)}`, ...why].join(" · ") : "0");
      setAttribute(cell, "title", [reasonsText(pi.refused), ...(last?.errors ?? [])].join("\n"));
      setAttribute(cell, "data-level", total > 0 ? "warn" : "");
    },
  },
];

export class Pis {
  constructor(onChange, searchBadges) {
    this.onChange = onChange;
    this.view = new ListView({
      name: "Pis",
      one: "Pi",
      columns: columns(searchBadges),
      key: ({ pi_id }) => pi_id,
      level: ({ last_heard }) => levelOf(last_heard),
      isSilent: ({ last_heard }) => isSilent(last_heard),
      matches: ({ pi_id }, words) => pi_id.toLowerCase().includes(words),
      filter_hint: "part of a Pi's id",
      note: "First: the Pi reported it before any other, so it was stored. Copies: another had been first.",
      is_since_start: true,
      empty: ["No Pi has sent anything yet."],
    });
    this.length = 0;
    this.list = new Poll("pis", ROWS_EVERY_MS, (answer, length) => {
      heardNow(answer.now);
      this.length = length;
      this.#pace();
      this.view.set(answer.pis, answer);
      this.onChange();
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
}
