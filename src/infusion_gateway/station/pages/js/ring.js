/** The ring of the time that is left, with its minutes and the clock time it ends at; hollow where nothing infuses. */

import { clock, left } from "./clock.js";
import { el, mark, put, svg } from "./dom.js";
import { leftOf } from "./state.js";
import { say } from "./words.js";

const RADIUS = 44;
const ROUND = 2 * Math.PI * RADIUS;

/**
 * Make a ring.
 * @returns {{node: Element, update: (bed: any) => void}}
 */
export function ring() {
  const arc = svg("circle", { class: "ring-arc", cx: 50, cy: 50, r: RADIUS, "stroke-dasharray": ROUND, "stroke-dashoffset": ROUND });
  const drawn = svg("svg", { viewBox: "0 0 100 100", "aria-hidden": "true", focusable: "false" }, svg("circle", { class: "ring-whole", cx: 50, cy: 50, r: RADIUS }), arc);
  const minutes = el("span", { class: "ring-left", "data-what": "left" });
  const what = el("span", { class: "ring-what" });
  const ends = el("span", { class: "ring-ends" });
  const node = el("div", { class: "ring" }, drawn, el("div", { class: "ring-text" }, minutes, what, ends));
  return {
    node,
    update(bed) {
      const { kind, seconds, share, ends: end } = leftOf(bed);
      const over = seconds !== null && seconds < 0;
      const word = { paused: say("state.paused"), over: say("ring.over"), none: say("ring.none") }[kind];
      put(minutes, word ?? left(Math.abs(seconds)));
      put(what, seconds === null ? "" : say(over ? "ring.late" : "ring.left"));
      put(ends, end === null ? "" : say(kind === "paused" ? "ring.endsPaused" : "ring.ends", { clock: clock(end) }));
      mark(arc, "stroke-dashoffset", String(ROUND * (1 - (share ?? 0))));
      mark(node, "data-kind", kind === "over" ? "paused" : kind); // both stand still
      mark(node, "data-over", over ? "" : null);
    },
  };
}
