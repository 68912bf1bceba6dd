/** Sheets: what is entered, beside the beds and never over the alarms; the beds make room, a bed's sheet has its STOP in it, and each where one bed is shown. */

import { el, mark } from "./dom.js";
import { stopButton } from "./stop.js";
import { say } from "./words.js";

/** So long untouched, a sheet goes with what was typed: what one person began is not there for the next. */
const LEFT_MS = 180_000;
let open = null;
/** The only bed that is shown: its STOP is in every sheet, which on a small screen lies over all else of it. */
let only = null;

/**
 * Open a sheet; one at a time. It is no modal dialog: the beds and their STOP stay in reach.
 * @param {{title: string, about?: string, bed?: any, content: Node[], announce: (text: string) => void, follow?: (bed: any) => void}} given follow: told how the bed stands
 * @returns {{close: () => void, node: HTMLElement, update: (bed: any) => void}}
 */
export function sheet(given) {
  closeSheet();
  const before = document.activeElement;
  const bed = given.bed ?? only;
  const stop = bed ? stopButton(given.announce) : null;
  stop?.update(bed);
  const title = el("h2", { id: "sheet-title", text: given.title });
  const where = bed ? el("span", { class: "sheet-bed", text: bed.bed }) : null;
  const close = el("button", { class: "plain", type: "button", onclick: () => closeSheet() }, say("form.close"));
  const about = given.about ? el("p", { class: "about", text: given.about }) : null;
  const head = el("div", { class: "sheet-head" }, where, title, stop ? stop.node : null, close);
  const node = el("section", { class: "sheet", role: "dialog", "aria-labelledby": "sheet-title" }, head, about, ...given.content);
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeSheet();
  });
  let left = 0;
  const touched = () => {
    clearTimeout(left);
    left = setTimeout(closeSheet, LEFT_MS);
  };
  for (const name of ["pointerdown", "keydown", "input"]) node.addEventListener(name, touched);
  touched();
  document.getElementById("sheets").append(node);
  const page = document.documentElement;
  const room = new ResizeObserver(() => page.style.setProperty("--sheet-high", `${node.offsetHeight}px`));
  room.observe(node);
  mark(page, "data-sheet", "");
  const first = node.querySelector("input, select, textarea, [data-first]") ?? close;
  first.focus();
  open = {
    node,
    key: bed?.key ?? null,
    close: () => closeSheet(),
    update(bed) {
      stop?.update(bed);
      given.follow?.(bed);
    },
    end() {
      clearTimeout(left);
      stop?.gone();
      room.disconnect();
      mark(page, "data-sheet", null);
      node.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    },
  };
  return open;
}

/** Close the sheet that is open. */
export function closeSheet() {
  const was = open;
  open = null;
  was?.end();
}

/**
 * Tell the open sheet how its bed stands now.
 * @param {Map<string, any>} beds @param {string | null} key the bed whose page is shown
 */
export function updateSheet(beds, key) {
  only = (beds.size === 1 ? [...beds.values()][0] : beds.get(key)) ?? null;
  const bed = open?.key ? beds.get(open.key) : null;
  if (bed) open.update(bed);
}
