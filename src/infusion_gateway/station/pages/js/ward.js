/** What the page knows: the beds, the gateways and what happened, each as the station said it last. */

import { moment, since } from "./clock.js";
import { LOST_AFTER_S } from "./feed.js";
import { RANK } from "./priority.js";
import { headline } from "./state.js";
import { plain } from "./told.js";

const LOG = 500;
const BY_NAME = new Intl.Collator(undefined, { numeric: true });
/** Vital signs measured now and then: their age is shown, and old means something else. */
const NOW_AND_THEN = new Set(["nibp-sys", "nibp-dia", "nibp-mean", "temp"]);
const OLD_S = { often: 6, seldom: 15 * 60 };
/** Events of a bed's stop; of each the newest on record is known. */
const OF_STOPS = new Set(["stop-asked", "stop-confirmed"]);

/** The picture, and whoever is to be told that it changed. */
export class Ward {
  constructor() {
    this.beds = new Map();
    this.gateways = new Map();
    this.log = [];
    this.stops = new Map();
    this.broker = { connected: true, why: "", since: null };
    this.station = "";
    this.pictured = false;
    this.feed = null;
    this.listeners = new Set();
    this.calls = [];
    this.duty = [];
    this.notify = null;
    this.me = { signed_in: false, person: null, screen: null };
    this.known = false; // whether the station has said who that is
  }

  /**
   * @param {(what: string, body: any) => void} told
   * @returns {() => void} ends it
   */
  listen(told) {
    this.listeners.add(told);
    return () => this.listeners.delete(told);
  }

  /**
   * Take in one event of the stream.
   * @param {string} name @param {any} body
   */
  take(name, body) {
    if (name === "picture") this.#picture(body);
    else if (name === "bed") this.#bed(body);
    else if (name === "gone") this.beds.delete(`${body.gateway}/${body.bed}`);
    else if (name === "gateway") this.#gateway(body);
    else if (name === "happening") this.#happening(body);
    else if (name === "beat") this.#beat(body);
    else return;
    for (const told of this.listeners) told(name, body);
  }

  /** @returns {any[]} every bed, by gateway and name. */
  ordered() {
    return [...this.beds.values()].sort((a, b) => BY_NAME.compare(a.key, b.key));
  }

  /** @returns {number | null} seconds since the station was heard, where it counts as lost. */
  lostPage() {
    const silent = this.feed?.silent() ?? 0;
    return silent > LOST_AFTER_S ? silent : null;
  }

  /** @returns {number | null} seconds since the station lost its broker. */
  lostBroker() {
    return this.broker.connected ? null : since(this.broker.since ?? moment());
  }

  /**
   * Say whether nothing that is shown of a bed may be taken for new; "" where it may.
   * @param {any} bed
   * @returns {string} a reason: page, broker, or the link's own word
   */
  lost(bed) {
    if (this.lostPage() !== null) return "page";
    if (this.lostBroker() !== null) return "broker";
    return bed.link === "live" ? "" : bed.link;
  }

  /** @param {any} bed @returns {number | null} seconds: how old the newest of its data is. */
  dataAge(bed) {
    return Number.isFinite(bed.data_age_s) ? bed.data_age_s + since(bed.heard) : null;
  }

  /**
   * Give a vital sign with its age now, and whether it is to be shown as old.
   * @param {any} bed @param {string} metric
   * @returns {any} null where the bed has none
   */
  vital(bed, metric) {
    const vital = bed.vitals?.[metric];
    if (!vital) return null;
    const age = Number.isFinite(vital.age_s) ? vital.age_s + since(bed.heard) : null;
    const limit = NOW_AND_THEN.has(metric) || vital.by_hand ? OLD_S.seldom : OLD_S.often;
    const stale = Boolean(vital.stale) || this.lost(bed) !== "" || age === null || age > limit;
    const valid = vital.validity !== "invalid" && Number.isFinite(vital.value);
    return { ...vital, age, stale, valid };
  }

  /** @returns {{high: number, medium: number, low: number}} alarms of all beds. */
  counts() {
    const counts = { high: 0, medium: 0, low: 0 };
    for (const bed of this.beds.values()) {
      for (const alarm of bed.alarms ?? []) if (Object.hasOwn(counts, alarm.priority)) counts[alarm.priority] += 1;
      counts.low += bed.more ?? 0;
      const told = headline(bed);
      if (told && !bed.alarms?.includes(told)) counts[told.priority] += 1;
    }
    return counts;
  }

  #picture(body) {
    this.station = String(body.station ?? "");
    this.beds.clear();
    this.gateways.clear();
    this.log = [];
    for (const gateway of body.gateways ?? []) this.#gateway(gateway);
    for (const bed of body.beds ?? []) this.#bed(bed);
    for (const happening of body.log ?? []) this.#happening(happening);
    this.pictured = true;
  }

  #bed(body) {
    const alarms = (body.alarms ?? []).map((alarm) => ({ ...alarm, text: plain(alarm.text) }));
    const protocols = body.protocols ?? this.beds.get(body.key)?.protocols ?? []; // told where they have changed
    this.beds.set(body.key, { ...body, protocols, alarms, heard: moment(), away: this.#away(body.key), stops: this.stops.get(body.key) ?? {} });
  }

  #gateway(body) {
    this.gateways.set(body.name, { ...body, heard: moment() });
  }

  #happening(body) {
    const same = (other) => other.sequence === body.sequence && other.bed === body.bed && other.gateway === body.gateway && other.at === body.at;
    if (this.log.some(same)) return;
    this.log.push(body);
    if (this.log.length > LOG) this.log.splice(0, this.log.length - LOG);
    if (OF_STOPS.has(body.type)) this.#stop(body);
  }

  /** Know where on the bed's record this stands, as text in the record's order; what comes late may be older than what is known. */
  #stop({ gateway, bed, type, at, sequence }) {
    const key = `${gateway}/${bed}`;
    const known = this.stops.get(key) ?? {};
    const place = `${at} ${String(sequence).padStart(16, "0")}`;
    this.stops.set(key, place > (known[type] ?? "") ? { ...known, [type]: place } : known);
    const shown = this.beds.get(key);
    if (shown) shown.stops = this.stops.get(key);
  }

  #beat(body) {
    const connected = body.broker?.connected !== false;
    const begun = this.broker.connected && !connected ? moment() : this.broker.since;
    this.broker = { connected, why: String(body.broker?.why ?? ""), since: connected ? null : begun };
    this.duty = body.duty ?? [];
    this.notify = body.notify ?? null;
    for (const bed of this.beds.values()) bed.away = this.#away(bed.key);
  }

  /** What somebody away from a bed has of its alarms, by code. */
  #away(key) {
    return new Map((this.notify?.held ?? []).filter((one) => one.key === key).map((one) => [one.code, one]));
  }
}
