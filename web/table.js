// A table that refreshes in place: a row per key, sorted, filtered. All rows are in the document, so that
// the browser's own search finds them; it lays out those on the screen only (content-visibility, in
// page.css), and only those tick and draw.

import { announce, el, setAttribute } from "./dom.js";
import { byName } from "./text.js";

export class Table {
  // `columns`: {id, name, hint, is_number, order(row), is_descending, make(), show(cell, row), tick(cell, row)}.
  // `show` runs when the row has changed, `tick` each second and only on the screen.
  constructor({ name, columns, sort_by, key, level }) {
    Object.assign(this, { columns, key, level });
    this.sort = { column: columns.find(({ id }) => id === sort_by), is_reversed: false };
    this.rows = new Map();
    this.on_screen = new Set();
    this.heads = columns.map((column) => this.#head(column));
    this.body = el("tbody", { role: "rowgroup" });
    const head = el("tr", { role: "row" }, ...this.heads.map(({ cell }) => cell));
    this.root = el(
      "table",
      { class: `list list-${name}`, role: "table", "aria-label": name },
      el("thead", { role: "rowgroup" }, head),
      this.body,
    );
    this.watcher = new IntersectionObserver((changes) => this.#seen(changes), { rootMargin: "200px" });
    this.#showSort();
  }

  #head(column) {
    const props = { role: "columnheader", scope: "col", class: `c-${column.id}`, title: column.hint };
    if (!column.order) return { column, cell: el("th", { ...props, text: column.name }) };
    const arrow = el("span", { class: "arrow", "aria-hidden": "true" });
    const button = el("button", { type: "button", onclick: () => this.sortBy(column) }, column.name, arrow);
    return { column, arrow, cell: el("th", props, button) };
  }

  sortBy(column) {
    const is_reversed = column === this.sort.column && !this.sort.is_reversed;
    this.sort = { column, is_reversed };
    this.#showSort();
    this.#arrange();
    announce(`Sorted by ${column.name}`);
  }

  #showSort() {
    for (const { column, cell, arrow } of this.heads) {
      if (!arrow) continue;
      const is_sorted = column === this.sort.column;
      const is_down = Boolean(column.is_descending) !== this.sort.is_reversed;
      if (is_sorted) setAttribute(cell, "aria-sort", is_down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
      arrow.textContent = is_sorted ? (is_down ? " ↓" : " ↑") : "";
    }
  }

  // All of them, as they are now.
  setRows(items) {
    const gone = new Set(this.rows.keys());
    let is_new = false;
    for (const item of items) {
      const key = this.key(item);
      if (!gone.delete(key)) is_new = true;
      this.#put(key, item);
    }
    for (const key of gone) this.#drop(key);
    if (is_new) this.#rank();
    this.#arrange();
  }

  // Some of them, as they are now; those that are not there are left alone.
  updateRows(items) {
    for (const item of items) {
      const key = this.key(item);
      if (this.rows.has(key)) this.#put(key, item);
    }
    this.#arrange();
  }

  #put(key, item) {
    let row = this.rows.get(key);
    if (!row) {
      const cells = this.columns.map((column) => {
        const props = { role: "cell", class: `c-${column.id}`, "data-name": column.name };
        return el("td", props, ...(column.make ? [column.make()] : []));
      });
      row = { key, cells, node: el("tr", { role: "row" }, ...cells), rank: 0 };
      this.rows.set(key, row);
      row.node.houseful = row;
      this.watcher.observe(row.node);
    }
    row.item = item;
    this.columns.forEach(({ show }, n) => show?.(row.cells[n], item));
    if (this.on_screen.has(row)) this.#tick(row);
    setAttribute(row.node, "data-level", this.level(item));
  }

  #drop(key) {
    const row = this.rows.get(key);
    this.watcher.unobserve(row.node);
    this.on_screen.delete(row);
    row.node.remove();
    this.rows.delete(key);
  }

  // The place of each name among all: comparing names is dear, and names do not change.
  #rank() {
    [...this.rows.values()].sort((a, b) => byName(a.key, b.key)).forEach((row, n) => (row.rank = n));
  }

  setFilter(accepts) {
    this.accepts = accepts;
    this.#arrange();
  }

  #arrange() {
    const { column, is_reversed } = this.sort;
    const down = Boolean(column.is_descending) !== is_reversed ? -1 : 1;
    const all = [...this.rows.values()];
    const shown = this.accepts ? all.filter(({ item }) => this.accepts(item)) : all;
    const keyed = shown.map((row) => ({ row, by: column.order(row.item, row.rank) }));
    keyed.sort((a, b) => (a.by < b.by ? -down : a.by > b.by ? down : a.row.rank - b.row.rank));
    this.shown = keyed.length;
    const focused = document.activeElement;
    let place = this.body.firstChild;
    for (const { row } of keyed) {
      if (row.node === place) place = place.nextSibling;
      else this.body.insertBefore(row.node, place);
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
    // A row that moves forgets that it had the focus.
    if (focused !== document.activeElement && this.body.contains(focused)) focused.focus({ preventScroll: true });
  }

  #seen(changes) {
    for (const { target, isIntersecting } of changes) {
      const row = target.houseful;
      if (!isIntersecting) this.on_screen.delete(row);
      else if (this.rows.has(row.key)) {
        this.on_screen.add(row);
        this.#tick(row);
      }
    }
  }

  // Each second.
  tick() {
    for (const row of this.on_screen) this.#tick(row);
  }

  #tick(row) {
    this.columns.forEach(({ tick }, n) => tick?.(row.cells[n], row.item));
  }

  keysOnScreen() {
    return [...this.on_screen].map(({ key }) => key);
  }

  end() {
    this.watcher.disconnect();
  }
}
