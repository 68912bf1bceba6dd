/** The only place that makes nodes. Text is set as text: markup from outside has no way in. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element. `on…` keys are listeners, `class` the class, `text` its text, the rest attributes (false: none).
 * @param {string} name
 * @param {Record<string, unknown>} [given]
 * @param {...(Node | string | null)} children
 * @returns {HTMLElement}
 */
export function el(name, given = {}, ...children) {
  return fill(document.createElement(name), given, children);
}

/**
 * Make an SVG element.
 * @param {string} name @param {Record<string, unknown>} [given] @param {...(Node | string | null)} children
 * @returns {SVGElement}
 */
export function svg(name, given = {}, ...children) {
  return fill(document.createElementNS(SVG, name), given, children);
}

function fill(node, given, children) {
  for (const [key, value] of Object.entries(given)) {
    if (key === "text") node.textContent = String(value);
    else if (key === "class") node.setAttribute("class", String(value));
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/**
 * Set a node's text where it differs: nothing is drawn anew for nothing.
 * @param {Node} node @param {string} text
 */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Set an attribute where it differs; null takes it away.
 * @param {Element} node @param {string} name @param {string | null} value
 */
export function mark(node, name, value) {
  if (value === null) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/**
 * Show or hide.
 * @param {Element} node @param {boolean} shown
 */
export function show(node, shown) {
  mark(node, "hidden", shown ? null : "");
}

/**
 * Give a list's children to match the items, each kept by its key, in the items' order.
 * @template T
 * @param {Element} parent @param {T[]} items @param {(item: T) => string} keyOf
 * @param {(item: T) => {node: Element, update: (item: T) => void}} make
 * @param {Map<string, {node: Element, update: (item: T) => void}>} kept
 */
export function match(parent, items, keyOf, make, kept) {
  const wanted = new Set(items.map(keyOf));
  for (const [key, part] of kept) {
    if (!wanted.has(key)) {
      part.node.remove();
      part.gone?.();
      kept.delete(key);
    }
  }
  items.forEach((item, at) => {
    const key = keyOf(item);
    let part = kept.get(key);
    if (!part) kept.set(key, (part = make(item)));
    part.update(item);
    if (parent.children[at] !== part.node) parent.insertBefore(part.node, parent.children[at] ?? null);
  });
}
