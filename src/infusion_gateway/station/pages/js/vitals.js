/** Vital signs as numbers: value, unit, limits and age; old ones grey and struck through, invalid ones never a number. */

import { age, number } from "./clock.js";
import { el, mark, put, show } from "./dom.js";
import { RANK } from "./priority.js";
import { say, term } from "./words.js";

/** What a tile shows, in the order of the wall; each with its decimals. */
export const SHOWN = ["spo2", "hr", "nibp", "rr", "etco2"];
const AGE_FROM_S = 4;
/** Which alarms are about a vital sign, where the code's own metric isn't its name. */
const ABOUT = { hr: ["hr", "pulse"], nibp: ["nibp-sys", "nibp-dia"], rr: ["rr", "apnoea"] };
const SIGNS = { high: "▲", low: "▼" };

/**
 * Make one vital sign's numeric.
 * @param {string} metric `nibp` stands for systolic, diastolic and mean together
 * @param {boolean} [whole] with everything: the bed's own page
 * @returns {{node: Element, update: (bed: any, ward: any) => void}}
 */
export function numeric(metric, whole = false) {
  const figure = el("span");
  const mean = el("span", { class: "vital-mean" });
  const value = el("span", { class: "vital-value" }, figure, mean);
  const high = el("span", { class: "vital-limit", "data-side": "high" });
  const low = el("span", { class: "vital-limit", "data-side": "low" });
  const old = el("span", { class: "vital-age" });
  const note = el("span", { class: "vital-note" });
  const unit = el("span", { class: "vital-unit" });
  const name = el("span", { class: "vital-name", text: term("vital", metric) });
  const sign = el("span", { class: "vital-sign", role: "img" });
  const limits = el("span", { class: "vital-limits" }, high, low);
  const node = el("div", { class: "vital", "data-metric": metric }, el("span", { class: "vital-head" }, name, sign, unit), el("span", { class: "vital-body" }, value, limits), old, note);
  return {
    node,
    update(bed, ward) {
      const one = reading(bed, ward, metric);
      show(node, one !== null || whole || metric !== "etco2");
      put(figure, one === null ? say("vital.none") : one.text);
      put(mean, one?.mean ?? "");
      put(unit, one === null ? "" : term("unit", one.unit));
      put(high, limitText(one, "high", whole));
      put(low, limitText(one, "low", whole));
      put(old, one === null ? "" : ageText(one, metric));
      put(note, one === null ? "" : noteText(one, whole));
      const out = one === null ? null : outside(bed, metric, one);
      show(sign, out !== null);
      put(sign, out ? SIGNS[out.side] ?? "!" : "");
      mark(sign, "aria-label", out ? say(`vital.out.${out.side in SIGNS ? out.side : "other"}`) : null);
      mark(node, "data-out", out ? "" : null);
      mark(value, "data-priority", out?.priority ?? null);
      mark(node, "data-stale", one?.stale ? "" : null);
      mark(node, "data-invalid", one && !one.valid ? "" : null);
      mark(node, "data-questionable", one?.validity === "questionable" ? "" : null);
    },
  };
}

/**
 * Give a bed's newest value of a metric as it is written, `nibp` for systolic, diastolic and mean together.
 * @param {any} bed @param {any} ward @param {string} metric
 * @returns {any} null where there is none
 */
export function reading(bed, ward, metric) {
  return metric === "nibp" ? pressure(bed, ward) : single(bed, ward, metric);
}

/**
 * Say how a value is out: by an alarm that stands, or by the limits beside it, at once, before any alarm's delay is over.
 * What is old or no value is not judged.
 * @param {any} bed @param {string} metric @param {any} one
 * @returns {{side: string, priority: string | null} | null}
 */
function outside(bed, metric, one) {
  if (one.stale || !one.valid) return null;
  const mine = ABOUT[metric] ?? [metric];
  const found = (bed.alarms ?? []).filter((alarm) => alarm.present !== false && mine.includes(alarm.code.replace(/-(low|high)$/, "")));
  const worst = found.sort((a, b) => RANK[b.priority] - RANK[a.priority])[0];
  if (worst) return { side: /-(low|high)$/.exec(worst.code)?.[1] ?? "other", priority: worst.priority };
  return one.beyond ? { side: one.beyond, priority: null } : null;
}

/** A pressure at its upper limit is out; of the others what is above it. */
function beyond(vital, atLimit = false) {
  if (!vital?.valid || vital.stale) return null;
  if (Number.isFinite(vital.low) && vital.value < vital.low) return "low";
  return Number.isFinite(vital.high) && (vital.value > vital.high || (atLimit && vital.value === vital.high)) ? "high" : null;
}

function single(bed, ward, metric) {
  const vital = ward.vital(bed, metric) ?? (metric === "hr" ? ward.vital(bed, "pulse") : null);
  if (!vital) return null;
  const decimals = metric === "temp" ? 1 : 0;
  return { ...vital, beyond: beyond(vital), text: vital.valid ? number(vital.value, decimals) : say("vital.invalid") };
}

function pressure(bed, ward) {
  const sys = ward.vital(bed, "nibp-sys");
  const dia = ward.vital(bed, "nibp-dia");
  if (!sys && !dia) return null;
  const mean = ward.vital(bed, "nibp-mean");
  const part = (vital) => (vital?.valid ? number(vital.value) : say("vital.invalid"));
  const first = sys ?? dia;
  const ages = [sys, dia].filter(Boolean).map((vital) => vital.age);
  return {
    ...first,
    age: ages.includes(null) ? null : Math.max(...ages),
    stale: Boolean(sys?.stale || dia?.stale),
    valid: Boolean(sys?.valid || dia?.valid),
    text: `${part(sys)}/${part(dia)}`,
    beyond: beyond(sys, true) ?? beyond(dia, true),
    mean: mean?.valid ? ` ${say("vital.mean", { mean: number(mean.value) })}` : "",
    high: sys?.high ?? null,
    low: sys?.low ?? null,
    parts: [sys, dia],
  };
}

/** A limit; where there is room, of both pressures as the pressures are written: 160/- says which of them it is of. */
function limitText(one, side, whole) {
  const limits = (whole && one?.parts ? one.parts : [one]).map((part) => part?.[side]);
  return limits.some(Number.isFinite) ? limits.map((limit) => (Number.isFinite(limit) ? number(limit) : "–")).join("/") : "";
}

function ageText(one, metric) {
  const seldom = metric === "nibp" || metric === "temp" || one.by_hand;
  const said = say(one.age_at_least ? "vital.ageAtLeast" : "vital.age", { age: age(one.age) });
  if (seldom && !one.valid) return say("vital.noReading", { age: said });
  if (one.stale) return say("vital.stale", { age: said });
  return seldom || one.age > AGE_FROM_S ? said : "";
}

function noteText(one, whole) {
  const said = [];
  if (one.by_hand) said.push(say("vital.byHand"));
  if (one.validity === "questionable") said.push(say("vital.questionable"));
  if (whole && one.note) said.push(one.note);
  return said.join(" · ");
}
