/** The station's questions and answers over HTTP; every failure comes back as words. */

import { say } from "./words.js";

const PATIENCE_MS = 10_000;
let csrf = "unknown"; // any will do for a stop and for a call: a page that could not learn its own still stops
let unknown = () => undefined;

/**
 * Take the token that the station wants with every change.
 * @param {string} token
 */
export function useToken(token) {
  csrf = token;
}

/**
 * Have it told when the station doesn't know (any more) who asks.
 * @param {() => void} told
 */
export function whenUnknown(told) {
  unknown = told;
}

/**
 * Ask the station. `ok` says whether it answered with success; `error` says in words what is wrong.
 * @param {"GET" | "POST"} method @param {string} path @param {unknown} [body] @param {number} [patience]
 * @returns {Promise<{ok: boolean, status: number, body: any, error: string, field: string}>}
 */
export async function call(method, path, body, patience = PATIENCE_MS) {
  const given = { method, credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(patience), headers: {} };
  if (method === "POST") {
    given.headers = { "Content-Type": "application/json", "X-IGW-CSRF": csrf };
    given.body = JSON.stringify(body ?? {});
  }
  let answer;
  try {
    answer = await fetch(path, given);
  } catch {
    return { ok: false, status: 0, body: null, error: say("error.network"), field: "" };
  }
  let said = null;
  try {
    said = await answer.json();
  } catch {
    // what is no JSON is judged by its status alone
  }
  if (answer.status === 401) unknown();
  const error = answer.ok ? "" : String(said?.error ?? say("error.status", { status: answer.status }));
  return { ok: answer.ok, status: answer.status, body: said, error, field: String(said?.field ?? "") };
}

/**
 * Give the path of a bed's things.
 * @param {{gateway: string, bed: string}} bed @param {string} rest
 * @returns {string}
 */
export function bedPath(bed, rest) {
  return `/api/beds/${encodeURIComponent(bed.gateway)}/${encodeURIComponent(bed.bed)}/${rest}`;
}

/**
 * Put an instruction to a bed. An answer that isn't there is said as unanswered, never as nothing.
 * @param {{gateway: string, bed: string}} bed @param {string} name @param {Record<string, unknown>} args
 * @param {string} [pin] @param {number} [patience] @param {string} [meant] the case that it is meant for, and no other; "" for none
 * @returns {Promise<{outcome: string, reason: string, status: number, field: string}>}
 */
export async function instruct(bed, name, args, pin, patience, meant) {
  const body = { arguments: args, ...(pin ? { pin } : {}), ...(meant === undefined ? {} : { case: meant }) };
  const answer = await call("POST", bedPath(bed, `do/${encodeURIComponent(name)}`), body, patience);
  const outcome = answer.body?.outcome;
  if (answer.ok && typeof outcome === "string") return { outcome, reason: String(answer.body.reason ?? ""), status: answer.status, field: "" };
  return { outcome: answer.status === 0 || answer.status >= 500 ? "failed" : "refused", reason: answer.error, status: answer.status, field: answer.field };
}
