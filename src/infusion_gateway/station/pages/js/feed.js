/**
 * The station's stream of server-sent events: read by hand, because the browser's own reader can't be told to give up a
 * connection that is open and silent. Taken up again with the last event's id, so that nothing is missed.
 */

import { moment, since } from "./clock.js";

/** Seconds without a beat after which the connection counts as lost. */
export const LOST_AFTER_S = 5;
const AGAIN_MS = [250, 500, 1000, 2000];
const LONGEST = 8 * 1024 * 1024;
/** Seconds from beat to beat that two clocks may run apart. */
const DRIFT_S = 0.001;
const READ_PATIENCE_S = LOST_AFTER_S;

/** A reader that connects for ever. */
export class Feed {
  /**
   * @param {string} path
   * @param {{event: (name: string, data: any) => void, refused: (status: number) => void}} told
   */
  constructor(path, told) {
    this.path = path;
    this.told = told;
    this.last = "";
    this.begun = this.heard = moment();
    this.beat = null;
    this.late = 0;
    this.quickest = Infinity;
    this.tries = 0;
    this.ended = false;
  }

  /** Connect, and again whenever it ends. */
  start() {
    this.#run();
    setInterval(() => this.#watch(), 500);
  }

  /** Begin anew at once: after signing in or out, when somebody else may see other things. */
  restart() {
    this.tries = 0;
    this.abort?.abort();
  }

  /** @returns {number} seconds since the last beat, or since the start; at least as many as it came late by. */
  silent() {
    return Math.max(since(this.beat ?? this.begun), this.late);
  }

  async #run() {
    while (!this.ended) {
      try {
        await this.#read();
      } catch {
        // whatever ended it, it is tried again; the silence itself is what people are told
      }
      const wait = AGAIN_MS[Math.min(this.tries++, AGAIN_MS.length - 1)];
      await new Promise((go) => setTimeout(go, wait * (0.75 + Math.random() / 2)));
    }
  }

  #watch() {
    if (this.abort && since(this.heard) > READ_PATIENCE_S) {
      this.heard = moment();
      this.abort.abort();
    }
  }

  async #read() {
    this.abort = new AbortController();
    this.heard = moment();
    this.quickest = Infinity;
    const headers = { Accept: "text/event-stream" };
    if (this.last) headers["Last-Event-ID"] = this.last;
    const answer = await fetch(this.path, { headers, cache: "no-store", credentials: "same-origin", signal: this.abort.signal });
    if (!answer.ok || !answer.body) {
      this.told.refused(answer.status);
      return;
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.heard = moment();
      held += value;
      if (held.length > LONGEST) throw new Error("an event has no end");
      const parts = held.split(/\r?\n\r?\n/);
      held = parts.pop() ?? "";
      for (const part of parts) this.#take(part);
    }
  }

  #take(text) {
    if (this.abort.signal.aborted) return; // it comes again
    let name = "message";
    let id = null;
    const data = [];
    for (const line of text.split(/\r?\n/)) {
      const at = line.indexOf(":");
      const key = at < 0 ? line : line.slice(0, at);
      const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
      if (key === "event") name = value;
      else if (key === "id") id = value;
      else if (key === "data") data.push(value);
    }
    if (data.length === 0) return;
    let body;
    try {
      body = JSON.parse(data.join("\n"));
    } catch {
      return;
    }
    this.tries = 0;
    if (name === "beat") this.#beaten(body.steady_s);
    this.told.event(name, body);
    if (id !== null) this.last = id; // only what was taken in counts as had
    if (name !== "beat" || this.late <= LOST_AFTER_S) return;
    this.last = ""; // what waits on the way is old too: a new picture is not
    this.abort.abort();
  }

  /** Take a beat, and how much later it came than the quickest: on a slow line the old comes in one steady stream. */
  #beaten(steady) {
    this.beat = moment();
    const behind = Number.isFinite(steady) ? performance.now() / 1000 - steady : 0;
    this.quickest = Math.min(behind, this.quickest + DRIFT_S);
    this.late = behind - this.quickest;
  }
}
