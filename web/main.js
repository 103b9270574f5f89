// The page: one view at a time below the overview, all of them fed by the collector's JSON.

import { ActivityCharts } from "./activity.js";
import { BadgePage } from "./badge.js";
import { Badges } from "./badges.js";
import { heardNow } from "./clock.js";
import { byId, el, setAttribute, setText } from "./dom.js";
import { Figures, showAbout } from "./figures.js";
import { Pis } from "./pis.js";
import { Poll } from "./poll.js";
import { Refused } from "./refused.js";
import { route } from "./route.js";
import { answered, failed, showStatus } from "./status.js";
import { count } from "./text.js";

const ACTIVITY_MS = 1000;
const TICK_MS = 1000;

const charts = new ActivityCharts();
const figures = new Figures();
const refused = new Refused();
const badges = new Badges(showTabs);
const pis = new Pis(showTabs, (words) => {
  location.hash = "#/";
  badges.view.search(words);
});
let badge_page = null;
let last_activity = null;

const tabs = {
  badges: tab("#/", "Badges"),
  pis: tab("#/pis", "Pis"),
  refused: tab("#/refused", "Refused"),
};
byId("tabs").append(...Object.values(tabs).map(({ link }) => link));

function tab(href, name) {
  const note = el("span", { class: "tab-note" });
  return { link: el("a", { href }, name, " ", note), note };
}

function showTabs() {
  for (const [name, view] of [["badges", badges.view], ["pis", pis.view]]) {
    const { items, silent } = view;
    setText(tabs[name].note, count(items.length) + (silent > 0 ? ` · ▲ ${count(silent)} silent` : ""));
    setAttribute(tabs[name].note, "data-level", silent > 0 ? "warn" : "");
  }
  if (!last_activity) return;
  const { minute, total } = last_activity;
  const is_refusing = minute.refused > 0;
  setText(tabs.refused.note, (is_refusing ? "▲ " : "") + count(total.refused));
  setAttribute(tabs.refused.note, "data-level", is_refusing ? "warn" : "");
}

function showRoute() {
  const { view, id } = route();
  if (badge_page && (view !== "badge" || badge_page.badge_id !== id)) {
    badge_page.end();
    badge_page = null;
  }
  const roots = { badges: badges.view.root, pis: pis.view.root, refused: refused.root };
  let root = roots[view];
  if (view === "badge") {
    badge_page ??= new BadgePage(id);
    root = badge_page.root;
  }
  if (byId("main").firstChild !== root) byId("main").replaceChildren(root);
  byId("overview").hidden = view === "badge";
  for (const [name, { link }] of Object.entries(tabs)) {
    if (name === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = view === "badge" ? `${id} – Houseful` : "Houseful";
  badges.setShown(view === "badges");
  pis.setShown(view === "pis");
  if (last_activity) badge_page?.showActivity(last_activity);
}

new Poll(
  "activity",
  ACTIVITY_MS,
  (activity) => {
    heardNow(activity.now);
    answered(activity);
    last_activity = activity;
    showAbout(activity);
    showTabs();
    figures.show(activity);
    charts.show(activity);
    refused.show(activity);
    badge_page?.showActivity(activity);
  },
  failed,
);

setInterval(() => {
  if (document.hidden) return;
  showStatus();
  badges.view.table.tick();
  pis.view.table.tick();
  badge_page?.tick();
}, TICK_MS);

byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});

addEventListener("hashchange", () => {
  showRoute();
  if (badge_page) scrollTo(0, 0);
  byId("main").focus({ preventScroll: true });
});
showRoute();
