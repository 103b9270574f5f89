// Which view the address names: #/, #/pis, #/refused, #/badge/ID.

export function badgeLink(id) {
  return `#/badge/${encodeURIComponent(id)}`;
}

export function route() {
  const [view, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  if (view === "pis" || view === "refused") return { view };
  if (view === "badge" && rest.length > 0) {
    try {
      return { view, id: decodeURIComponent(rest.join("/")) };
    } catch {
      // A broken %; then it names no badge.
    }
  }
  return { view: "badges" };
}
