/** The wall: every bed's tile, laid out so that all fit the screen where it is large enough. */

import { el, mark, match, show } from "./dom.js";
import { tile } from "./tile.js";
import { say } from "./words.js";

const SHAPE = 1.32;
const SMALLEST = { wide: 176, high: 146 };
const GAP = 6;
/** What a tile of each density needs, in its own letters: full has its vital signs in one row, middle in two. */
const UNITS = { full: { wide: 42, high: 23.5 }, middle: { wide: 24, high: 27 }, compact: { wide: 17, high: 15.2 } };
/** So many letters higher than it needs, and it is roomy. */
const ROOM = 5;
const READABLE = 11;
const SMALLEST_UNIT = 9;
const SMALLER = 0.95;
/** Letters larger than this give way to the trend, which is so many of them high; smaller ones don't. */
const COMFORTABLE = 14;
const TREND = 1.8;
const LARGEST = 44;
/** What is full no more may be larger again: looked at so often, not at once, so that a wall stands still. */
const AGAIN_MS = 300_000;
/** Narrower than so it is a phone: tiles are as tall as what they say, and scroll. */
const PHONE = 600;

/**
 * Choose columns, rows and density for so many tiles; rows null: it scrolls down.
 * @param {number} count @param {number} wide @param {number} high px
 * @returns {{columns: number, rows: number | null, density: "full" | "middle" | "compact", unit: number, roomy: boolean, w?: number, h?: number}} w, h:
 * a tile's room; roomy: an alarm is said whole, with what to do
 */
export function layout(count, wide, high) {
  let best = null;
  for (let columns = 1; columns <= Math.max(count, 1); columns += 1) {
    const rows = Math.ceil(count / columns);
    const w = (wide - GAP * (columns + 1)) / columns;
    const h = (high - GAP * (rows + 1)) / rows;
    const score = Math.min(w, h * SHAPE);
    if (w >= SMALLEST.wide && h >= SMALLEST.high && (!best || score > best.score)) best = { score, columns, rows, w, h };
  }
  if (!best || wide < PHONE) return scrolling(wide);
  const larger = unitOf("full", best) > unitOf("middle", best) ? "full" : "middle";
  return sized(unitOf(larger, best) >= READABLE ? larger : "compact", best);
}

function unitOf(density, { w, h }) {
  return Math.min(w / UNITS[density].wide, h / UNITS[density].high);
}

function sized(density, { columns, rows, w, h }) {
  const unit = Math.min(Math.max(unitOf(density, { w, h }), SMALLEST_UNIT), LARGEST);
  return { columns, rows, w, h, density, unit, roomy: isRoomy(density, { h }, unit) };
}

function isRoomy(density, { h }, unit) {
  return h > (UNITS[density].high + ROOM) * unit;
}

function scrolling(wide) {
  const columns = Math.max(1, Math.floor((wide - GAP) / (300 + GAP)));
  const w = (wide - GAP * (columns + 1)) / columns;
  return { columns, rows: null, density: "middle", unit: Math.min(Math.max(w / UNITS.middle.wide, 12), 18), roomy: true };
}

/** Give what to try, one after the other, until every tile has room for what it says: in smaller letters, less, and scrolled. */
function* choices(count, wide, high) {
  const first = layout(count, wide, high);
  yield first;
  if (first.rows === null) return;
  for (const density of new Set([first.density, "compact"])) {
    const whole = sized(density, first);
    const least = density === "compact" ? SMALLEST_UNIT : READABLE;
    for (let unit = whole.unit; unit >= least; unit *= SMALLER) yield { ...whole, unit, roomy: isRoomy(density, first, unit) };
  }
  yield scrolling(wide);
}

/** Whether a tile has no room for all that it says: its foot with STOP would lie over the rest, or be cut. */
function overfull(tile) {
  return tile.scrollHeight > tile.clientHeight + 1;
}

/** Whether its letters are larger than its room: overfull, or without the trend for their size. */
function crowded(tile, { density, unit }) {
  if (overfull(tile)) return true;
  return density !== "compact" && unit > COMFORTABLE && tile.querySelector(".spark").clientHeight < TREND * unit;
}

/**
 * Make the wall.
 * @param {{ward: any, trends: any, announce: (text: string) => void}} given
 * @returns {{node: Element, update: () => void, one: (key: string) => void, fit: () => void}}
 */
export function wall(given) {
  const { ward } = given;
  const kept = new Map();
  const grid = el("div", { class: "wall" });
  const nothing = el("div", { class: "nothing" }, el("p", { class: "nothing-what", text: say("page.noBeds") }), el("p", { text: say("page.noBedsWhy") }));
  const node = el("div", { class: "wall-page" }, nothing, grid);
  let fitted = 0;
  const apply = (chosen) => {
    mark(grid, "data-density", chosen.density);
    mark(grid, "data-scrolls", chosen.rows === null ? "" : null);
    mark(grid, "data-roomy", chosen.roomy ? "" : null);
    mark(grid, "data-fits", chosen.rows !== null && chosen.density !== "compact" ? "" : null);
    grid.style.setProperty("--columns", String(chosen.columns));
    grid.style.setProperty("--rows", String(chosen.rows ?? 1));
    grid.style.setProperty("--unit", `${chosen.unit.toFixed(2)}px`);
  };
  let at = 0;
  /** from: of the choices; what was too large for as many beds on this screen a moment ago needn't be tried anew. */
  const fit = (from = 0) => {
    if (from === 0) fitted = performance.now();
    let index = -1;
    for (const chosen of choices(ward.beds.size, node.clientWidth, node.clientHeight)) {
      index += 1;
      if (index < from) continue;
      at = index;
      apply(chosen);
      if (chosen.rows === null || ![...grid.children].some((part) => crowded(part, chosen))) return;
    }
  };
  const changed = new Set();
  /** Look once a frame at what has changed: each look has the browser lay the page out. */
  const look = () => {
    const full = [...changed].some(overfull);
    changed.clear();
    if (full) fit(at);
  };
  return {
    node,
    fit: () => fit(),
    update() {
      show(nothing, ward.pictured && ward.beds.size === 0);
      const before = kept.size;
      match(grid, ward.ordered(), (bed) => bed.key, () => tile(given), kept);
      if (kept.size !== before || performance.now() - fitted > AGAIN_MS) fit();
      else if ([...grid.children].some(overfull)) fit(at);
    },
    one(key) {
      const bed = ward.beds.get(key);
      if (!bed || !kept.has(key)) return this.update();
      const part = kept.get(key);
      part.update(bed);
      if (changed.size === 0) requestAnimationFrame(look);
      changed.add(part.node);
      return undefined;
    },
  };
}
