/** How a bed stands, in the words and numbers that tile and bed page show alike. */

import { clock, number, stationNow, until } from "./clock.js";
import { RANK } from "./priority.js";
import { screenOf } from "./told.js";
import { say, term } from "./words.js";

/** Phases in which no more is to be infused. */
const OVER = new Set(["completed", "stopped", "recovery"]);
/** Phases in which it can be said who stopped. */
const AFTER_STOP = new Set(["paused", ...OVER]);
/** Phases in which somebody's supervision is owed. */
export const UNDER_WAY = new Set(["armed", "infusing", "paused"]);

/**
 * Give a bed's state as a word, and the name its colours go by.
 * @param {any} bed
 * @returns {{word: string, kind: string}}
 */
export function stateOf(bed) {
  const session = bed.session;
  if (!session) return { word: say("state.unknown"), kind: "unknown" };
  if (session.stopping === "not-confirmed") return { word: say("state.notConfirmed"), kind: "not-confirmed" };
  if (session.stopping === "asked") return { word: say("state.stopping"), kind: "stopping" };
  if (session.away_until && (until(session.away_until) ?? 0) > 0) return { word: say("state.away"), kind: "paused" };
  const kind = String(session.phase);
  return { word: term("state", kind), kind };
}

/** @param {number | null | undefined} dose in mg @returns {number} decimals: below 1 mg a tenth is too coarse to tell doses apart. */
export function digitsOf(dose) {
  return dose > 0 && dose < 1 ? 2 : 1;
}

/**
 * Give the doses as they are written.
 * @param {any} bed
 * @returns {{delivered: string, ordered: string, hard: string, perKg: string, volume: string, rate: string, share: number | null, hardShare: number | null}}
 */
export function doseOf(bed) {
  const tile = bed.tile ?? {};
  const share = tile.ordered_mg > 0 && Number.isFinite(tile.delivered_mg) ? tile.delivered_mg / tile.ordered_mg : null;
  const digits = digitsOf(tile.ordered_mg);
  return {
    delivered: number(tile.delivered_mg, digits),
    ordered: number(tile.ordered_mg, digits),
    hard: number(tile.hard_mg, digits),
    perKg: number(tile.mg_per_kg, 2),
    volume: number(tile.delivered_ml, digits),
    rate: number(tile.rate_ml_h, 1),
    share,
    hardShare: tile.ordered_mg > 0 && tile.hard_mg > 0 ? tile.hard_mg / tile.ordered_mg : null,
  };
}

/**
 * Give what is left of the session. Only what infuses has time left. What is paused has an earliest end: as if it were
 * resumed at once, for the pause is no part of the duration. What is over has neither, and its pump was seen to stand.
 * @param {any} bed
 * @returns {{kind: "runs" | "paused" | "over" | "none", seconds: number | null, share: number | null, ends: number | null}} ends: ms
 */
export function leftOf(bed) {
  const { phase, paused_since, order, stopping } = bed.session ?? {};
  const stands = !["asked", "not-confirmed", "provisional"].includes(stopping) && !(bed.tile?.rate_ml_h > 0);
  if (OVER.has(phase)) return { kind: stands ? "over" : "none", seconds: null, share: null, ends: null };
  const ends = Date.parse(bed.tile?.ends_at ?? bed.session?.ends_at ?? "");
  if (phase === "paused") {
    const rest = ends - Date.parse(paused_since ?? "");
    return { kind: "paused", seconds: null, share: null, ends: rest > 0 ? stationNow() + rest : null };
  }
  if (phase !== "infusing" || !Number.isFinite(ends)) return { kind: "none", seconds: null, share: null, ends: null };
  const seconds = (ends - stationNow()) / 1000;
  const share = order?.duration_s > 0 ? Math.min(Math.max(seconds / order.duration_s, 0), 1) : null;
  return { kind: "runs", seconds, share, ends };
}

/**
 * Give the most urgent alarm of a bed: by priority, of the same one what nobody has before what somebody has.
 * @param {any} bed
 * @returns {any | null}
 */
export function topAlarm(bed) {
  const weight = (alarm) => RANK[alarm.priority] * 2 + (alarm.signal === "acknowledged" ? 0 : 1);
  return [...(bed.alarms ?? [])].sort((a, b) => weight(b) - weight(a))[0] ?? null;
}

/**
 * Give what a bed is in the head for: its most urgent alarm, or that it can't be heard, which no gateway can say itself.
 * @param {any} bed
 * @returns {any | null}
 */
export function headline(bed) {
  const top = topAlarm(bed);
  const said = bed.annunciation;
  const unheard = bed.link !== "live" && RANK[said?.priority] > (top ? RANK[top.priority] : 0);
  return unheard ? { code: bed.link, priority: said.priority, text: said.text, signal: said.acknowledged ? "acknowledged" : "on" } : top;
}

/**
 * Give the most urgent alarm that nobody has.
 * @param {any} bed
 * @returns {any | null}
 */
export function topUnanswered(bed) {
  return topAlarm({ alarms: (bed.alarms ?? []).filter((alarm) => alarm.signal !== "acknowledged") });
}

/**
 * Give the highest priority that stands at a bed, whoever has it: the station's word is of what nobody has.
 * @param {any} bed
 * @returns {"high" | "medium" | "low" | "none"}
 */
export function priorityOf(bed) {
  const said = bed.annunciation?.priority;
  const own = topAlarm(bed)?.priority ?? "none";
  return Object.hasOwn(RANK, said ?? "") && RANK[said] > RANK[own] ? said : own;
}

/** @param {any} bed @returns {boolean} whether somebody has all that stands: nothing flashes, the frame is thin. */
export function quietOf(bed) {
  return Boolean(bed.annunciation?.acknowledged);
}

/**
 * Give the stop that an alarm counts down to. Held off, the end of that is what counts: the first end still stands there.
 * @param {any} alarm
 * @returns {{seconds: number, held: boolean} | null} seconds left; null: none is pending
 */
export function pendingStop(alarm) {
  const ends = until(alarm.countdown_ends);
  const held = until(alarm.held_until);
  if (held !== null && held > 0) return { seconds: held, held: true };
  return ends === null ? null : { seconds: ends, held: false };
}

/**
 * Give a bed's pending stop: the earliest, one that nobody holds off before one that somebody does.
 * @param {any} bed
 * @returns {{seconds: number, held: boolean} | null}
 */
export function countdownOf(bed) {
  const found = [{ countdown_ends: bed.annunciation?.countdown_ends }, ...(bed.alarms ?? [])].map(pendingStop).filter((stop) => stop !== null);
  return found.sort((a, b) => Number(a.held) - Number(b.held) || a.seconds - b.seconds)[0] ?? null;
}

/**
 * Say who stopped what is stopped or paused, and why, once it is seen to be so.
 * @param {any} bed
 * @returns {{by: string, why: string} | null}
 */
export function stoppedOf(bed) {
  const { stop, session } = bed;
  if (!stop || !AFTER_STOP.has(session?.phase) || ["asked", "not-confirmed"].includes(session.stopping)) return null;
  return { by: say("stopped.by", { person: whoShort(stop.by), clock: clock(stop.at, true) }), why: String(stop.reason) };
}

function whoShort(by) {
  const screen = screenOf(by);
  if (!screen) return by || say("stopped.gateway");
  return screen === "local" ? say("stopped.here") : say("stopped.screen", { screen });
}

/** @param {any} bed @returns {number | null} seconds that the audio stays paused. */
export function audioPausedOf(bed) {
  const seconds = until(bed.annunciation?.audio_paused_until ?? bed.session?.audio_paused_until);
  return seconds !== null && seconds > 0 ? seconds : null;
}
