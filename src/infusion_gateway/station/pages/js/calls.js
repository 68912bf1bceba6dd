/** Whether the patients' call buttons are there: asked for now and then, and shown at their beds. */

import { call } from "./api.js";

const EVERY_MS = 10_000;

/**
 * Keep a ward's call buttons known; what can't be asked leaves those of before as not there.
 * @param {any} ward @param {() => void} changed
 */
export function watchCalls(ward, changed) {
  const ask = async () => {
    const answer = await call("GET", "/api/calls");
    if (answer.ok && Array.isArray(answer.body)) ward.calls = answer.body;
    else ward.calls = ward.calls.map((one) => ({ ...one, alive: false }));
    changed();
  };
  void ask();
  setInterval(() => void ask(), EVERY_MS);
}
