/** Alarm sounds: bursts by priority (standards reference 3.1), made here; and proof that they can be heard. */

import { RANK } from "./priority.js";

/** Pulses of a burst as beginnings in seconds, the pitch, and how often it comes again (null: once). */
export const BURSTS = {
  high: { pulses: [0, 0.2, 0.4, 0.75, 0.95, 1.55, 1.75, 1.95, 2.3, 2.5], length: 0.13, pitch: 523.25, every: 5 },
  medium: { pulses: [0, 0.35, 0.7], length: 0.18, pitch: 392, every: 15 },
  low: { pulses: [0, 0.35], length: 0.18, pitch: 329.63, every: null },
};
const REMIND_S = 30;
const PROVEN_MS = 24 * 3600 * 1000;
const KINDS = ["none", "once", "bursts"];
/** A burst isn't broken into by another of no higher priority. */
const BETWEEN_S = 3;
/** Four harmonics, so that a small loudspeaker carries it and the ear finds where it is. */
const HARMONICS = [0, 1, 0.6, 0.45, 0.3, 0.2];
const LOUD = 0.5;

/** The loudspeaker of this page. */
export class Sound {
  constructor() {
    this.context = null;
    this.last = -Infinity;
    this.reminded = null;
    this.playing = "none";
    this.known = new Set();
  }

  /** @returns {"ready" | "blocked" | "failed" | "deaf" | "untested"} whether a person has heard this page in the last day. */
  state() {
    if (typeof AudioContext === "undefined") return "failed";
    if (!this.#runs()) return "blocked";
    const [answer, at] = (localStorage.getItem("heard") ?? "").split(" ");
    if (answer === "no") return "deaf";
    return answer === "yes" && Math.abs(Date.now() - Number(at)) < PROVEN_MS ? "ready" : "untested";
  }

  #runs() {
    return this.context?.state === "running";
  }

  /** Try to begin; a browser may want a touch first. */
  async begin() {
    if (typeof AudioContext === "undefined") return;
    this.context ??= new AudioContext({ latencyHint: "interactive" });
    if (!this.#runs()) {
      // A browser that blocks sound leaves this pending until a touch: it is not waited for.
      await Promise.race([this.context.resume(), new Promise((go) => setTimeout(go, 300))]).catch(() => undefined);
    }
  }

  /**
   * Say whether a person heard the test.
   * @param {boolean} yes
   */
  answer(yes) {
    localStorage.setItem("heard", `${yes ? "yes" : "no"} ${Date.now()}`);
  }

  /** Play low, medium, high, one after the other. @returns {number} seconds that it takes. */
  test() {
    this.burst("low", 0);
    this.burst("medium", 1.2);
    this.burst("high", 2.8);
    this.last = performance.now() / 1000 + 3;
    return 5.6;
  }

  /**
   * Sound what is wanted now; called again and again. What is new or has risen is heard at once; what is new while a burst
   * is heard is owed until after it, and what is to be reminded of waits for a gap.
   * @param {{priority: string, kind: "bursts" | "once" | "none", every: number | null, keys: string[], reminder: {priority: string, every: number, keys: string[]} | null}} wanted
   */
  follow(wanted) {
    if (!this.#runs()) {
      this.known = new Set(); // blocked, nothing was heard: all of it is owed
      this.playing = "none";
      return;
    }
    const now = performance.now() / 1000;
    const known = this.known;
    const fresh = wanted.keys.some((key) => !known.has(key));
    const risen = RANK[wanted.priority] > RANK[this.playing];
    const again = wanted.kind === "bursts" ? (wanted.every ?? BURSTS[wanted.priority].every) : null;
    const due = again !== null && now - this.last >= again;
    const heard = risen || due || (fresh && now - this.last > BETWEEN_S);
    this.playing = wanted.priority;
    this.known = new Set(wanted.keys.filter((key) => heard || known.has(key)));
    if (heard) {
      this.burst(wanted.priority, 0);
      this.last = now;
    }
    this.#remind(wanted.reminder, known, now);
  }

  /** A single pulse, between whatever else is heard. What was heard before it is only reminded of is not at once again. */
  #remind(reminder, known, now) {
    if (reminder) this.reminded ??= reminder.keys.some((key) => known.has(key)) ? this.last : -Infinity;
    else this.reminded = null;
    if (!reminder || now - this.reminded < reminder.every || now - this.last <= BETWEEN_S) return;
    this.burst(reminder.priority, 0, 1);
    this.reminded = now;
  }

  /**
   * Play one burst, or its first pulses.
   * @param {"high" | "medium" | "low"} priority @param {number} after seconds @param {number} [most]
   */
  burst(priority, after, most = Infinity) {
    if (!this.#runs()) return;
    const { pulses, length, pitch } = BURSTS[priority];
    const wave = this.context.createPeriodicWave(new Float32Array(HARMONICS.length), new Float32Array(HARMONICS));
    for (const begin of pulses.slice(0, most)) {
      const at = this.context.currentTime + 0.02 + after + begin;
      const tone = this.context.createOscillator();
      const gain = this.context.createGain();
      tone.setPeriodicWave(wave);
      tone.frequency.value = pitch;
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(LOUD, at + length * 0.15);
      gain.gain.setValueAtTime(LOUD, at + length * 0.8);
      gain.gain.linearRampToValueAtTime(0, at + length);
      tone.connect(gain).connect(this.context.destination);
      tone.start(at);
      tone.stop(at + length + 0.02);
    }
  }
}

/**
 * Give what is to be heard now, over all beds and what the page itself is alarmed about. The station says what a screen of
 * this profile sounds; that it is not heard itself, the page knows alone. What is only reminded of, audio paused or latched,
 * is chosen apart: it takes no other bed's sound away, however high it is.
 * @param {any} ward @param {{profile: string, lost: "high" | "medium" | null}} how
 * @returns {{priority: string, kind: "bursts" | "once" | "none", every: number | null, keys: string[], reminder: {priority: string, every: number, keys: string[]} | null}}
 */
export function wantedSound(ward, how) {
  let best = { priority: "none", kind: "none", every: null };
  let reminder = null;
  const keys = [];
  const reminding = [];
  const take = (priority, kind, every, key) => {
    keys.push(key);
    const louder = RANK[priority] - RANK[best.priority] || KINDS.indexOf(kind) - KINDS.indexOf(best.kind);
    if (louder > 0) best = { priority, kind, every };
  };
  if (how.lost && how.profile !== "wall") take(how.lost, "bursts", BURSTS[how.lost].every, "lost");
  for (const bed of ward.beds.values()) {
    const own = bed.annunciation?.profiles?.[how.profile];
    if (!own || !(RANK[own.priority] > 0)) continue;
    const key = `${bed.key} ${own.priority} ${bed.annunciation.renewed}`;
    if (own.sound === "reminder") {
      reminding.push(key);
      if (RANK[own.priority] > RANK[reminder?.priority ?? "none"]) reminder = { priority: own.priority, every: own.repeat_s ?? REMIND_S };
    } else if (own.sound === "bursts" || own.sound === "once") take(own.priority, own.sound, own.repeat_s ?? null, key);
  }
  return { ...best, keys, reminder: reminder && { ...reminder, keys: reminding } };
}
