// Elements. There is no way to write markup here: what the network says goes in as text.

// `props`: attributes by name; `text`; and `on…` with a function.
export function el(tag, props = {}, ...children) {
  return furnish(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return furnish(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function furnish(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function byId(id) {
  return document.getElementById(id);
}

// Writes only what differs: the page refreshes each second, and mostly nothing has changed.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// Said to those who do not see the page. Rarely: it interrupts.
export function announce(text) {
  setText(byId("announcement"), text);
}
