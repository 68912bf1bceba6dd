/** Small trends of a tile: drawn here, so that they need nobody else's script. Gaps stay gaps. */

import { mark, svg, el } from "./dom.js";
import { say } from "./words.js";

const WIDE = 300;
const HIGH = 60;
/** What each line is drawn between. */
const RANGE = { spo2: [80, 100], hr: [30, 150], rr: [0, 40], etco2: [0, 70], "nibp-sys": [60, 220], "nibp-dia": [30, 140] };

/**
 * Give the path of a line: a null, or more than a gap's time without a value, begins it anew.
 * @param {number[]} t seconds @param {(number | null)[]} values @param {[number, number]} span @param {[number, number]} range
 * @param {number} [gap] seconds
 * @returns {string}
 */
export function path(t, values, span, range, gap = 30) {
  let said = "";
  let before = null;
  for (let at = 0; at < t.length; at += 1) {
    const value = values[at];
    if (!Number.isFinite(value) || t[at] < span[0]) {
      if (!Number.isFinite(value)) before = null;
      continue;
    }
    const x = ((t[at] - span[0]) / (span[1] - span[0])) * WIDE;
    const y = HIGH * (1 - (Math.min(Math.max(value, range[0]), range[1]) - range[0]) / (range[1] - range[0]));
    said += `${before === null || t[at] - before > gap ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    before = t[at];
  }
  return said;
}

/**
 * Make a small trend of some metrics, with their limits and the baseline as a band.
 * @param {string[]} metrics
 * @returns {{node: Element, update: (trend: any, now: number) => void}}
 */
export function sparkline(metrics) {
  const lines = metrics.map((metric) => svg("path", { class: "spark-line", "data-metric": metric }));
  const limits = metrics.map((metric) => svg("path", { class: "spark-limit", "data-metric": metric }));
  const bands = metrics.map((metric) => svg("rect", { class: "spark-band", "data-metric": metric, width: WIDE, x: 0 }));
  const drawn = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img" }, ...bands, ...limits, ...lines);
  const node = el("div", { class: "spark" }, drawn);
  return {
    node,
    update(trend, now) {
      const span = [now - 3600, now];
      const latest = (metric) => trend?.series[metric]?.findLast((value) => Number.isFinite(value)) ?? say("vital.none");
      mark(drawn, "aria-label", say("trend.sparkline", { spo2: latest("spo2"), hr: latest("hr") }));
      metrics.forEach((metric, at) => {
        const range = RANGE[metric] ?? [0, 200];
        const place = (value) => HIGH * (1 - (Math.min(Math.max(value, range[0]), range[1]) - range[0]) / (range[1] - range[0]));
        mark(lines[at], "d", trend ? path(trend.t, trend.series[metric] ?? [], span, range) : "");
        const own = (trend?.limits ?? []).filter((limit) => limit.metric === metric && Number.isFinite(limit.value) && limit.value > range[0] && limit.value < range[1]);
        mark(limits[at], "d", own.map((limit) => `M0 ${place(limit.value).toFixed(1)}H${WIDE}`).join(""));
        const base = trend?.baseline?.[metric];
        const half = (range[1] - range[0]) * 0.03;
        mark(bands[at], "y", Number.isFinite(base) ? String(place(base + half)) : "0");
        mark(bands[at], "height", Number.isFinite(base) ? String(Math.max(place(base - half) - place(base + half), 0)) : "0");
      });
    },
  };
}
