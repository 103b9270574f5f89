// Elements. There is no way to write markup here: what results say goes in as text.

function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function byId(id) {
  return document.getElementById(id);
}

// What a CSS variable is in the scheme of now, as a canvas takes it.
function color(name) {
  const probe = color.probe ?? (color.probe = document.body.appendChild(el("i", { hidden: true })));
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

function faint(name, share) {
  return color(name).replace(/^rgba?\((.*?)\)$/, (_, parts) => `rgba(${parts.split(",").slice(0, 3).join(",")}, ${share})`);
}
