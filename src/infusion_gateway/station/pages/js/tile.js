/** A bed's tile: state, time, dose, vital signs, trend, alarm, supervision and age, and its STOP. */

import { banner, markPriority } from "./alarm.js";
import { age, left, stationNow } from "./clock.js";
import { el, mark, put, show } from "./dom.js";
import { ring } from "./ring.js";
import { sparkline } from "./sparkline.js";
import { audioPausedOf, doseOf, priorityOf, quietOf, stateOf, stoppedOf } from "./state.js";
import { stopButton } from "./stop.js";
import { numeric, SHOWN } from "./vitals.js";
import { say, term } from "./words.js";

/** A longer name takes two lines of the smallest tile, where paused audio is then said by the page's head alone. */
const LONG = 16;

/**
 * Give the address of a bed's own page.
 * @param {any} bed @returns {string}
 */
export function addressOf(bed) {
  return `#/bed/${encodeURIComponent(bed.gateway)}/${encodeURIComponent(bed.bed)}`;
}

/**
 * Make the dose's numbers and bar: its scale is what was ordered. Behind that ends, broken off, what is left to the hard limit.
 * @returns {{node: Element, update: (bed: any) => void}}
 */
export function dose() {
  const delivered = el("span", { class: "dose-delivered" });
  const hard = el("span", { class: "dose-hard" });
  const more = el("span", { class: "dose-more" });
  const fill = el("span", { class: "dose-fill" });
  const over = el("span", { class: "dose-over" });
  const beyond = el("span", { class: "dose-beyond" }, over);
  const bar = el("div", { class: "dose-bar", "aria-hidden": "true" }, el("span", { class: "dose-ordered" }, fill), beyond);
  const node = el("div", { class: "dose" }, delivered, bar, hard, more);
  return {
    node,
    update(bed) {
      const said = doseOf(bed);
      const none = said.ordered === say("vital.none") && said.delivered === say("vital.none");
      const waits = bed.session?.phase === "ordered"; // the second person must not see the first one's numbers
      put(delivered, none ? say(waits ? "dose.ordered" : "dose.none") : say("dose.delivered", said));
      put(hard, none ? (waits ? say("dose.waits") : "") : say("dose.hard", said));
      const values = [say("dose.perKg", { value: said.perKg }), say("dose.volume", { value: said.volume }), say("dose.rate", { value: said.rate })];
      put(more, none ? "" : values.join(" · "));
      mark(node, "aria-label", none ? null : say("dose.label", said));
      fill.style.setProperty("width", percent(said.share ?? 0));
      const room = (said.hardShare ?? 1) - 1;
      over.style.setProperty("width", percent(room > 0 ? ((said.share ?? 0) - 1) / room : 0));
      mark(beyond, "data-none", room > 0 ? null : "");
      show(bar, !none);
    },
  };
}

function percent(share) {
  return `${(Math.min(Math.max(share, 0), 1) * 100).toFixed(1)}%`;
}

/**
 * Make the line that says how the bed is supervised and how old what is shown is.
 * @returns {{node: Element, update: (bed: any, ward: any) => void}}
 */
export function supervision() {
  const lamp = el("span", { class: "lamp", "aria-hidden": "true" });
  const words = el("span", { class: "lamp-text" });
  const old = el("span", { class: "data-age" });
  const node = el("div", { class: "supervision" }, lamp, words, old);
  return {
    node,
    update(bed, ward) {
      const lost = ward.lost(bed);
      const idle = !bed.session || ["idle", "closed"].includes(bed.session.phase);
      const kind = lost ? "lost" : idle ? "none" : (bed.tile?.supervision ?? bed.session?.supervision ?? "unknown");
      mark(node, "data-kind", kind);
      put(lamp, { ok: "●", degraded: "◐", lost: "✕", none: "○" }[kind] ?? "?");
      put(words, term("supervision", kind));
      put(old, say("age.data", { age: age(ward.dataAge(bed)) }));
    },
  };
}

/**
 * Make the line of what makes all of a tile untrustworthy.
 * @returns {{node: Element, update: (bed: any, ward: any) => void}}
 */
export function linkNotice() {
  const node = el("div", { class: "link-notice" });
  return {
    node,
    update(bed, ward) {
      const lost = ward.lost(bed);
      show(node, lost !== "");
      const kind = lost === "page" || lost === "broker" ? "lost" : lost;
      const seconds = lost === "page" ? ward.lostPage() : lost === "broker" ? ward.lostBroker() : ward.dataAge(bed);
      put(node, lost ? [say(`link.tile.${kind}`, { age: age(seconds) }), kind === "lost" ? "" : (bed.why ?? "")].filter(Boolean).join(". ") : "");
    },
  };
}

/**
 * Make a bed's tile.
 * @param {{ward: any, trends: any, announce: (text: string) => void}} given
 * @returns {{node: Element, update: (bed: any) => void, gone: () => void}}
 */
export function tile({ ward, trends, announce }) {
  const name = el("a", { class: "tile-bed" });
  const state = el("span", { class: "tile-state" });
  const paused = el("span", { class: "tile-paused" });
  const mode = el("span", { class: "tile-mode" });
  const time = ring();
  const given = dose();
  const alarm = banner(addressOf);
  const link = linkNotice();
  const watched = supervision();
  const numerics = SHOWN.map((metric) => numeric(metric));
  const trend = sparkline(["spo2", "hr"]);
  const stop = stopButton(announce);
  const own = el("div", { class: "tile-own" });
  const by = el("span", { class: "tile-by" });
  const why = el("div", { class: "tile-stopped" });
  const strip = el("header", { class: "tile-strip" }, name, state, by, paused, mode);
  const vitals = el("div", { class: "tile-vitals" }, ...numerics.map((part) => part.node));
  const node = el("article", { class: "tile" }, strip, link.node, alarm.node, why, el("div", { class: "tile-main" }, time.node, given.node), vitals, own, trend.node, el("footer", { class: "tile-foot" }, watched.node, stop.node));
  let drawn = -Infinity;
  return {
    node,
    update(bed) {
      const { word, kind } = stateOf(bed);
      put(name, bed.bed);
      mark(name, "href", addressOf(bed));
      mark(strip, "data-long", bed.bed.length > LONG ? "" : null);
      put(state, word);
      const stopped = stoppedOf(bed);
      put(by, stopped?.by ?? "");
      put(why, stopped?.why ?? "");
      show(why, Boolean(stopped?.why));
      mark(node, "data-state", kind);
      mark(node, "data-link", ward.lost(bed) ? "lost" : "live");
      mark(node, "data-key", bed.key);
      mark(node, "aria-label", say("bed.title", { bed: bed.bed }));
      markPriority(node, priorityOf(bed), quietOf(bed));
      mark(node, "data-flash", null); // the banner flashes, the tile does not
      const seconds = audioPausedOf(bed);
      put(paused, seconds === null ? "" : say("header.audioPaused", { left: left(seconds) }));
      show(paused, seconds !== null);
      put(mode, bed.generation_mode && bed.generation_mode !== "real" ? bed.generation_mode.toUpperCase() : "");
      const limits = (bed.session?.case_limits ?? []).map((limit) => say("bed.caseLimit", limit));
      if (bed.bedside_alarm === "lost") limits.unshift(say("alarm.bedsideLost"));
      put(own, limits.join(" · "));
      show(own, limits.length > 0);
      for (const part of [time, given, alarm, stop]) part.update(bed);
      for (const part of [link, watched, ...numerics]) part.update(bed, ward);
      this.draw(bed);
    },
    draw(bed) {
      const wall = node.parentElement?.dataset.density;
      if (wall === "compact" || performance.now() - drawn < 5000) return;
      const read = trends.of(bed);
      if (read) drawn = performance.now();
      trend.update(read, stationNow() / 1000);
    },
    gone: () => stop.gone(),
  };
}
