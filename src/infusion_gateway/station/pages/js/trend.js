/** Each bed's last hour: read from the station, then carried on with what comes, bounded; a stretch unheard is a gap. */

import { bedPath, call } from "./api.js";
import { stationNow } from "./clock.js";

const STEP_S = 5;
const POINTS = 3600 / STEP_S + 120;
const FRESH_S = 300;
const AT_ONCE = 4;
const HOUR_S = 3600;
/** Two words of the cuff about moments closer than this are about one measurement (ward/trend.py). */
const SAME_S = 10;
const CUFF = ["sys", "dia", "mean"];
const CARRIED = ["spo2", "hr", "pulse", "rr", "etco2", "temp"];

/** The trends of all beds, asked for a few at a time. */
export class Trends {
  /** @param {any} ward */
  constructor(ward) {
    this.ward = ward;
    this.kept = new Map();
    this.asked = new Set();
    this.queue = [];
    this.busy = 0;
  }

  /**
   * Give a bed's trend, null until it was read; asks for it where it isn't there or the stream began anew.
   * @param {any} bed
   * @returns {any | null}
   */
  of(bed) {
    const found = this.kept.get(bed.key);
    const old = !found || stationNow() / 1000 - found.read > FRESH_S;
    if (old && !this.asked.has(bed.key)) this.ask(bed);
    return found ?? null;
  }

  /**
   * Ask for a bed's trend anew.
   * @param {any} bed
   * @returns {void}
   */
  ask(bed) {
    this.asked.add(bed.key);
    this.queue.push(bed);
    this.#next();
  }

  /** What was carried on over a hole in the stream can't be trusted: read all again when they are next looked at. */
  refresh() {
    for (const trend of this.kept.values()) trend.read = 0;
  }

  /**
   * Take a bed's newest values as the trend's next point.
   * @param {any} bed
   */
  carry(bed) {
    const trend = this.kept.get(bed.key);
    const now = Math.floor(stationNow() / 1000);
    if (trend) this.#cuff(bed, trend);
    if (!trend || now - (trend.t.at(-1) ?? 0) < STEP_S) return;
    trend.t.push(now);
    for (const [metric, values] of Object.entries(trend.series)) {
      if (metric.startsWith("nibp")) values.push(null);
      else values.push(this.#now(bed, metric));
    }
    trend.rate.push(Number.isFinite(bed.tile?.rate_ml_h) ? bed.tile.rate_ml_h : null);
    trend.dose.push(Number.isFinite(bed.tile?.delivered_mg) ? bed.tile.delivered_mg : null);
    if (trend.t.length > POINTS) {
      for (const values of [trend.t, trend.rate, trend.dose, ...Object.values(trend.series)]) values.shift();
    }
  }

  /** A pressure is drawn as it is shown, at the moment it was measured, and once however often it is repeated. */
  #cuff(bed, trend) {
    const parts = CUFF.map((part) => this.ward.vital(bed, `nibp-${part}`)).map((vital) => (vital?.valid && vital.age !== null ? vital : null));
    const age = Math.min(...parts.filter(Boolean).map((vital) => vital.age));
    const t = stationNow() / 1000 - age;
    if (!(age < HOUR_S) || trend.nibp.some((point) => Math.abs(point.t - t) < SAME_S)) return;
    const [sys, dia, mean] = parts.map((vital) => (vital && vital.age - age < SAME_S ? vital.value : null));
    trend.nibp = [...trend.nibp, { t, sys, dia, mean }].sort((a, b) => a.t - b.t).slice(-POINTS);
  }

  #now(bed, metric) {
    const vital = this.ward.vital(bed, metric);
    return vital && vital.valid && !vital.stale ? vital.value : null;
  }

  async #next() {
    if (this.busy >= AT_ONCE || this.queue.length === 0) return;
    this.busy += 1;
    const bed = this.queue.shift();
    const answer = await call("GET", bedPath(bed, "trend?minutes=60"));
    this.kept.set(bed.key, answer.ok ? taken(answer.body) : { ...taken({}), error: answer.error, ...this.#older(bed.key) });
    this.asked.delete(bed.key);
    this.busy -= 1;
    this.#next();
  }

  #older(key) {
    const { error: _, read: __, ...older } = this.kept.get(key) ?? {};
    return older;
  }
}

function list(value) {
  return Array.isArray(value) ? value : [];
}

function taken(body) {
  const t = list(body?.t);
  const series = {};
  for (const metric of CARRIED) series[metric] = t.map(() => null);
  for (const [metric, values] of Object.entries(body?.series ?? {})) series[metric] = [...list(values)];
  return {
    read: stationNow() / 1000,
    t: [...t],
    series,
    rate: t.map((_, at) => list(body?.rate_ml_h)[at] ?? null),
    dose: t.map((_, at) => list(body?.dose_mg)[at] ?? null),
    nibp: list(body?.nibp).filter((point) => Number.isFinite(point?.t)),
    events: list(body?.events),
    eventsAhead: body?.events_ahead_s ?? 0,
    baseline: body?.baseline ?? {},
    limits: list(body?.limits),
    error: "",
  };
}
