/** The large trends of a bed: uPlot with one cursor over all, the infusion rate as steps, limits drawn, gaps as gaps. */

import { clock } from "./clock.js";
import { el, mark, put, show, svg } from "./dom.js";
import { sparkline } from "./sparkline.js";
import { happened } from "./told.js";
import { say, term } from "./words.js";

const HOUR_S = 3600;
/** Each chart: what is drawn on it, between which values, and how high it is against the others. */
const CHARTS = [
  { name: "spo2", metrics: ["spo2"], range: [80, 100] },
  { name: "hr", metrics: ["hr", "pulse"], range: [40, 140] },
  { name: "nibp", metrics: ["nibp-sys", "nibp-dia", "nibp-mean"], range: [40, 200] },
  { name: "rr", metrics: ["rr", "etco2"], range: [0, 60] },
  { name: "rate", metrics: ["rate", "dose"], range: [0, 60] },
];
const GAP_S = 30;
const NAME_HIGH = 18;
const LABEL_HIGH = 12;
const LANE = { wide: 1000, high: 34 };

let loading = null;

/** @returns {Promise<any>} uPlot, or null where this package was built without it. */
function load() {
  loading ??= import("../vendor/uPlot.esm.js").then((module) => module.default, () => null);
  return loading;
}

/**
 * Make the trends of a bed.
 * @returns {{node: Element, update: (trend: any, log: any[], now: number) => void, gone: () => void}}
 */
export function charts() {
  const missing = el("p", { class: "trend-missing", role: "status", hidden: true, text: say("trend.missing") });
  const failed = el("p", { class: "trend-missing", role: "status", hidden: true });
  const places = CHARTS.map((chart) => el("div", { class: "chart", "data-chart": chart.name, role: "img", "aria-label": say("trend.chart", { name: title(chart) }) }, el("div", { class: "chart-name", text: title(chart) })));
  const small = [sparkline(["spo2", "hr"]), sparkline(["nibp-sys", "nibp-dia"]), sparkline(["rr", "etco2"])];
  const fallback = el("div", { class: "chart-small", hidden: true }, ...small.map((part) => part.node));
  const lane = eventLane();
  const node = el("section", { class: "panel trends", "aria-label": say("trend.title") }, el("h2", { text: say("trend.title") }), missing, failed, ...places, fallback, lane.node);
  let drawn = null;
  let ended = false;
  let latest = null;

  load().then((plot) => {
    if (ended) return;
    show(missing, plot === null);
    show(fallback, plot === null);
    for (const place of places) show(place, plot !== null);
    if (plot) drawn = CHARTS.map((chart, at) => draw(plot, chart, places[at]));
    if (latest) paint();
  });

  const resized = new ResizeObserver(() => {
    for (const [at, chart] of (drawn ?? []).entries()) chart.setSize({ width: widthOf(places[at]), height: heightOf(places[at]) });
  });
  resized.observe(node);

  const paint = () => {
    const { trend, log, now } = latest;
    const span = { min: now - HOUR_S, max: now };
    CHARTS.forEach((chart, at) => {
      if (!drawn) return;
      drawn[at].limits = (trend.limits ?? []).filter((limit) => chart.metrics.includes(limit.metric));
      drawn[at].base = chart.metrics.map((metric) => trend.baseline?.[metric]).filter(Number.isFinite);
      drawn[at].setData(dataOf(chart, trend), false);
      drawn[at].setScale("x", span);
    });
    if (!drawn) for (const part of small) part.update(trend, now);
    lane.update([...(trend.events ?? []), ...log], span, trend.eventsAhead ?? 0);
  };

  return {
    node,
    update(trend, log, now) {
      show(failed, Boolean(trend?.error));
      put(failed, trend?.error ? say("trend.failed", { why: trend.error }) : "");
      if (!trend) return;
      latest = { trend, log, now };
      paint();
    },
    gone() {
      ended = true;
      resized.disconnect();
      for (const chart of drawn ?? []) chart.destroy();
    },
  };
}

function title(chart) {
  return chart.name === "rate" ? say("trend.rate") : [...new Set(chart.metrics.map((metric) => term("vital", metric)))].join(" · ");
}

function dataOf(chart, trend) {
  if (chart.name === "nibp") {
    const points = (trend.nibp ?? []).filter((point) => Number.isFinite(point.t));
    return [points.map((point) => point.t), ...["sys", "dia", "mean"].map((part) => points.map((point) => point[part] ?? null))];
  }
  const t = [];
  const lines = chart.metrics.map(() => []);
  const sources = chart.metrics.map((metric) => (metric === "rate" ? trend.rate : metric === "dose" ? trend.dose : trend.series[metric]) ?? []);
  trend.t.forEach((at, index) => {
    if (index > 0 && at - trend.t[index - 1] > GAP_S) {
      t.push(trend.t[index - 1] + 1);
      for (const line of lines) line.push(null);
    }
    t.push(at);
    lines.forEach((line, which) => line.push(sources[which][index] ?? null));
  });
  return [t, ...lines];
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || "gray";
}

function widthOf(place) {
  return Math.max(place.clientWidth, 200);
}

function heightOf(place) {
  return place.clientHeight > 60 ? place.clientHeight - NAME_HIGH : 110;
}

function draw(Plot, chart, place) {
  const stepped = Plot.paths.stepped({ align: 1 });
  const pressure = chart.name === "nibp";
  const axis = { stroke: () => colour("quiet"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { stroke: () => colour("line") }, font: "12px system-ui, sans-serif" };
  const series = chart.metrics.map((metric) => ({
    label: term("vital", metric),
    scale: metric === "dose" ? "mg" : "y",
    stroke: () => colour(`m-${metric}`),
    width: 2,
    dash: metric === "dose" ? [6, 4] : undefined,
    spanGaps: false,
    paths: metric === "rate" ? stepped : pressure ? () => null : undefined,
    points: { show: pressure, size: 7, fill: () => colour(`m-${metric}`) },
  }));
  const scales = { x: { time: true, auto: false }, y: { range: (_, low, high) => wide(chart.range, low, high) } };
  const axes = [{ ...axis, size: 24, values: (_, at) => at.map((t) => clock(t * 1000)) }, { ...axis, size: 46 }];
  if (chart.name === "rate") {
    scales.mg = { range: (_, low, high) => wide([0, 40], low, high) };
    axes.push({ ...axis, side: 1, scale: "mg", size: 40, grid: { show: false } });
  } else {
    axes.push({ ...axis, side: 1, size: 40, values: () => [], grid: { show: false }, ticks: { show: false } });
  }
  const plot = new Plot(
    {
      width: widthOf(place),
      height: heightOf(place),
      legend: { show: false },
      cursor: { sync: { key: "bed" }, drag: { x: false, y: false }, y: false },
      scales,
      axes,
      series: [{}, ...series],
      hooks: { drawAxes: [(own) => bandOf(own)], draw: [(own) => over(own, pressure)], setCursor: [(own) => values(own, chart, place)] },
    },
    [[], ...chart.metrics.map(() => [])],
    place,
  );
  plot.limits = [];
  plot.base = [];
  return plot;
}

function wide(range, low, high) {
  return [Math.min(range[0], low ?? range[0]), Math.max(range[1], (high ?? range[1]) * 1.02)];
}

function bandOf(plot) {
  const { ctx, bbox } = plot;
  for (const base of plot.base ?? []) {
    const top = plot.valToPos(base * 1.02, "y", true);
    ctx.fillStyle = colour("band");
    ctx.fillRect(bbox.left, top, bbox.width, Math.max(plot.valToPos(base * 0.98, "y", true) - top, 2));
  }
}

/**
 * Keep labels apart that would stand over each other, as near to their own places as they can be.
 * @param {number[]} places in order @param {number} apart @param {number} from @param {number} to
 * @returns {number[]}
 */
export function spread(places, apart, from, to) {
  const found = places.map((place) => Math.max(place, from));
  for (let at = 1; at < found.length; at += 1) found[at] = Math.max(found[at], found[at - 1] + apart);
  let most = to;
  for (let at = found.length - 1; at >= 0; at -= 1) {
    found[at] = Math.min(found[at], most);
    most = found[at] - apart;
  }
  return found;
}

/** Limits as dashed lines with their value; pressures as bars from systolic to diastolic. */
function over(plot, pressure) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  const lines = (plot.limits ?? [])
    .filter((limit, at, all) => Number.isFinite(limit.value) && !all.slice(0, at).some((other) => other.value === limit.value && other.priority === limit.priority))
    .map((limit) => ({ ...limit, y: plot.valToPos(limit.value, "y", true) }))
    .filter(({ y }) => y >= bbox.top && y <= bbox.top + bbox.height)
    .sort((a, b) => a.y - b.y);
  const labels = spread(lines.map(({ y }) => y), LABEL_HIGH * devicePixelRatio, bbox.top, bbox.top + bbox.height);
  lines.forEach(({ y, ...limit }, at) => {
    ctx.strokeStyle = ctx.fillStyle = colour(limit.priority === "high" ? "limit-high" : "limit");
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.fillText(String(limit.value), bbox.left + bbox.width + 4 * devicePixelRatio, labels[at] + 4 * devicePixelRatio);
  });
  if (pressure) {
    ctx.setLineDash([]);
    ctx.strokeStyle = colour("m-nibp-sys");
    ctx.lineWidth = 2 * devicePixelRatio;
    const [t, sys, dia] = plot.data;
    t.forEach((at, index) => {
      if (!Number.isFinite(sys[index]) || !Number.isFinite(dia[index])) return;
      const x = plot.valToPos(at, "x", true);
      ctx.beginPath();
      ctx.moveTo(x, plot.valToPos(sys[index], "y", true));
      ctx.lineTo(x, plot.valToPos(dia[index], "y", true));
      ctx.stroke();
    });
  }
  ctx.restore();
}

/** Where the cursor stands, each value is written beside the chart's name. */
function values(plot, chart, place) {
  const at = plot.cursor.idx;
  const said = at === null || at === undefined ? "" : ` — ${clock(plot.data[0][at] * 1000, true)}: ${chart.metrics.map((_, which) => plot.data[which + 1][at] ?? say("vital.none")).join(" / ")}`;
  put(place.firstElementChild, title(chart) + said);
}

const MARKS = { high: "!!!", medium: "!!", low: "!" };

function eventLane() {
  const drawn = svg("svg", { class: "lane", viewBox: `0 0 ${LANE.wide} ${LANE.high}`, role: "img", "aria-label": say("trend.events") });
  const node = el("div", { class: "lane-box" }, el("div", { class: "chart-name", text: say("trend.events") }), drawn);
  return {
    node,
    update(events, span, ahead) {
      const seen = new Set();
      const marks = [];
      for (const event of events) {
        const t = Date.parse(event.at) / 1000 - ahead;
        const key = `${event.sequence} ${event.at}`;
        if (!(t >= span.min && t <= span.max) || seen.has(key)) continue;
        seen.add(key);
        const x = ((t - span.min) / (span.max - span.min)) * LANE.wide;
        const said = happened(event);
        const hint = svg("title", { text: `${clock(event.at, true)} ${said.title}: ${said.text}` });
        const line = svg("line", { x1: x, x2: x, y1: 0, y2: LANE.high });
        const kind = event.priority ?? "none";
        const word = MARKS[kind] ? svg("text", { x: x + 3, y: 12, text: MARKS[kind] }) : svg("circle", { cx: x, cy: LANE.high / 2, r: 3 });
        marks.push(svg("g", { class: "lane-mark", "data-priority": kind }, hint, line, word));
      }
      drawn.replaceChildren(...marks.slice(-200));
      mark(drawn, "data-count", String(marks.length));
    },
  };
}
