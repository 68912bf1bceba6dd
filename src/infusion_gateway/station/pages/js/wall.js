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
const LARGEST = 44;
/** Narrower than so it is a phone: tiles are as tall as what they say, and scroll. */
const PHONE = 600;

/**
 * Choose columns, rows and density for so many tiles; rows null: it scrolls down.
 * @param {number} count @param {number} wide @param {number} high px
 * @returns {{columns: number, rows: number | null, density: "full" | "middle" | "compact", unit: number, roomy: boolean}} roomy: an alarm
 * is said whole, with what to do
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
  if (!best || wide < PHONE) {
    const columns = Math.max(1, Math.floor((wide - GAP) / (300 + GAP)));
    const w = (wide - GAP * (columns + 1)) / columns;
    return { columns, rows: null, density: "middle", unit: Math.min(Math.max(w / UNITS.middle.wide, 12), 18), roomy: true };
  }
  const unit = (density) => Math.min(best.w / UNITS[density].wide, best.h / UNITS[density].high);
  const larger = unit("full") > unit("middle") ? "full" : "middle";
  const density = unit(larger) >= READABLE ? larger : "compact";
  const chosen = Math.min(Math.max(unit(density), 9), LARGEST);
  return { columns: best.columns, rows: best.rows, density, unit: chosen, roomy: best.h > (UNITS[density].high + ROOM) * chosen };
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
  const fit = () => {
    const chosen = layout(ward.beds.size, node.clientWidth, node.clientHeight);
    mark(grid, "data-density", chosen.density);
    mark(grid, "data-scrolls", chosen.rows === null ? "" : null);
    mark(grid, "data-roomy", chosen.roomy ? "" : null);
    mark(grid, "data-fits", chosen.rows !== null && chosen.density !== "compact" ? "" : null);
    grid.style.setProperty("--columns", String(chosen.columns));
    grid.style.setProperty("--rows", String(chosen.rows ?? 1));
    grid.style.setProperty("--unit", `${chosen.unit.toFixed(2)}px`);
  };
  return {
    node,
    fit,
    update() {
      show(nothing, ward.pictured && ward.beds.size === 0);
      if (kept.size !== ward.beds.size) fit();
      match(grid, ward.ordered(), (bed) => bed.key, () => tile(given), kept);
    },
    one(key) {
      const bed = ward.beds.get(key);
      if (bed && kept.has(key)) kept.get(key).update(bed);
      else this.update();
    },
  };
}
