/** Time: ages that can only be too old, never too young, and the station's own clock. */

import { say } from "./words.js";

/** A moment, by both clocks of the browser: one stops in suspend, the other may be set.
 * @returns {{steady: number, wall: number}} */
export function moment() {
  return { steady: performance.now(), wall: Date.now() };
}

/**
 * Give the seconds since a moment: the longer of both clocks, so that a nap never makes a value young.
 * @param {{steady: number, wall: number}} then
 * @returns {number}
 */
export function since(then) {
  return Math.max(performance.now() - then.steady, Date.now() - then.wall, 0) / 1000;
}

let told = null;

/**
 * Take the station's time, as each beat says it.
 * @param {string} time RFC 3339
 */
export function tell(time) {
  const at = Date.parse(time);
  if (Number.isFinite(at)) told = { at, heard: moment() };
}

/** @returns {number} the station's time now, in ms; the browser's own until a beat came. */
export function stationNow() {
  return told ? told.at + since(told.heard) * 1000 : Date.now();
}

/** @returns {boolean} whether the station has told its time. */
export function timeKnown() {
  return told !== null;
}

/**
 * Give the seconds until a time, by the station's clock; null where there is none.
 * @param {string | null | undefined} time
 * @returns {number | null}
 */
export function until(time) {
  const at = time ? Date.parse(time) : NaN;
  return Number.isFinite(at) ? (at - stationNow()) / 1000 : null;
}

/**
 * Write an age in words.
 * @param {number | null | undefined} seconds
 * @returns {string}
 */
export function age(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return say("age.unknown");
  const whole = Math.floor(Math.max(seconds, 0));
  if (whole < 120) return say("age.seconds", { n: whole });
  if (whole < 7200) return say("age.minutes", { n: Math.floor(whole / 60) });
  return say("age.hours", { h: Math.floor(whole / 3600), m: Math.floor((whole % 3600) / 60) });
}

/**
 * Write a length of time as m:ss. Counting down it never shows 0:00 while something is left.
 * @param {number} seconds
 * @returns {string}
 */
export function left(seconds) {
  const whole = Math.ceil(Math.max(seconds, 0));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const two = (n) => String(n).padStart(2, "0");

/**
 * Write a time of day in the viewer's zone.
 * @param {number | string | null} time ms, or RFC 3339
 * @param {boolean} [seconds]
 * @returns {string}
 */
export function clock(time, seconds = false) {
  const at = new Date(time ?? NaN);
  if (Number.isNaN(at.getTime())) return say("ring.none");
  const said = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return seconds ? `${said}:${two(at.getSeconds())}` : said;
}

/**
 * Write a number with so many decimals; null as nothing known.
 * @param {number | null | undefined} value @param {number} [decimals]
 * @returns {string}
 */
export function number(value, decimals = 0) {
  return Number.isFinite(value) ? value.toFixed(decimals) : say("vital.none");
}
