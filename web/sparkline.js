// Sixty minutes in sixty bars, as one path: drawn for the rows that are on the screen.

import { setAttribute, svg } from "./dom.js";
import { plural, rate } from "./text.js";

const WIDTH = 120;
const HEIGHT = 18;

export function sparkline() {
  return svg(
    "svg",
    { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", preserveAspectRatio: "none" },
    svg("path", { class: "sparkline-base", d: `M0 ${HEIGHT - 0.5}H${WIDTH}` }),
    svg("path", { class: "sparkline-bars" }),
  );
}

// `full`: a value that fills the height, if none is larger.
export function drawSparkline(node, values, full, what) {
  const top = Math.max(full, ...values);
  const step = WIDTH / Math.max(1, values.length);
  let path = "";
  values.forEach((v, n) => {
    if (v <= 0) return;
    // A single one must be seen, too.
    const high = Math.max(2, (v / top) * (HEIGHT - 1));
    path += `M${(n + 0.5) * step} ${HEIGHT}V${(HEIGHT - high).toFixed(1)}`;
  });
  setAttribute(node.lastChild, "d", path);
  const silent = values.filter((v) => v === 0).length;
  const most = Math.max(0, ...values);
  setAttribute(
    node,
    "aria-label",
    `${what} a minute over the last hour: most ${rate(most)}, newest ${rate(values.at(-1) ?? 0)}, ${plural(silent, "minute")} with none`,
  );
}
