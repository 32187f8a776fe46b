/** Making elements. Texts are always text, never markup: a sensor's name or a far end's answer may hold anything. */

const SVG = "http://www.w3.org/2000/svg";

/** What an icon is drawn of, on a field of 16 by 16. Shapes differ, so that nothing hangs on colour alone. */
const ICONS = {
  good: ["circle", "M4.8 8.2l2.2 2.2 4.2-4.6"],
  inconsistent: ["M8 1.2L14.8 8 8 14.8 1.2 8z", "M5.6 6.8h4.8M5.6 9.2h4.8"],
  doubtful: ["M8 1.6L15 14.2H1z", "M8 6v4M8 11.6v.6"],
  erroneous: ["M5.1 1.2h5.8l3.9 3.9v5.8l-3.9 3.9H5.1l-3.9-3.9V5.1z", "M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8"],
  missing: ["circle", "M4.8 8h6.4"],
  unchecked: ["circle", "M8 8v.1"],
  busy: ["circle", "M8 4.4V8l2.6 1.6"],
  rising: ["", "M3.5 12.5l9-9M6 3.5h6.5V10"],
  falling: ["", "M3.5 3.5l9 9M12.5 6v6.5H6"],
  steady: ["", "M2 8h12M9.5 3.8L13.8 8l-4.3 4.2"],
  arrow: ["", "M8 14V2M3.8 6.2L8 2l4.2 4.2"],
};

/** Return an element with attributes and children; null children are left out. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** Return an element of a drawing. */
export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** Return an icon; what it means is said in words beside it. */
export function icon(name, turn = 0) {
  const [frame, sign] = ICONS[name];
  const shapes = [drawn("path", { d: sign, class: "sign" })];
  if (frame === "circle") shapes.unshift(drawn("circle", { cx: 8, cy: 8, r: 6.8, class: "frame" }));
  else if (frame) shapes.unshift(drawn("path", { d: frame, class: "frame" }));
  const group = drawn("g", turn ? { transform: `rotate(${turn} 8 8)` } : {}, ...shapes);
  return drawn("svg", { viewBox: "0 0 16 16", class: `icon icon-${name}`, "aria-hidden": "true" }, group);
}

/** Put children in the place of those that are there, if the words have changed: who reads or selects is not disturbed. */
export function replace(parent, key, ...children) {
  if (parent.dataset.key === key) return false;
  parent.dataset.key = key;
  parent.replaceChildren(...children.filter((one) => one !== null));
  return true;
}

/** Set a text, if it is another one. */
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function filled(target, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) target.setAttribute(name, value === true ? "" : value);
  }
  target.append(...children.filter((one) => one !== null && one !== undefined));
  return target;
}
