/** The clinic's identity provider, visited in a window of its own: the beds stay in sight, their sound on, STOP in reach. */

import { call } from "./api.js";
import { say } from "./words.js";

const NAME = "infusion-gateway-openid";
const LOOK = "popup,width=520,height=760";
let heard = null;

/** What the window tells of how it has ended; nothing secret is in it. */
export const CHANNEL = "infusion-gateway openid";

new BroadcastChannel(CHANNEL).addEventListener("message", (event) => {
  const told = heard;
  heard = null;
  told?.({ outcome: String(event.data?.outcome ?? ""), reason: String(event.data?.reason ?? "") });
});

/**
 * Open the window, in the touch itself: later it would be blocked.
 * @returns {Window | null}
 */
export function openWindow() {
  return window.open("", NAME, LOOK);
}

function address(to) {
  const url = typeof to === "string" && URL.canParse(to) ? new URL(to) : null;
  return url?.protocol === "https:" || url?.protocol === "http:" ? url.href : null;
}

/**
 * Lead a window to an address of the provider, or close it where there is none.
 * @param {Window | null} view @param {unknown} to
 */
export function lead(view, to) {
  const found = address(to);
  if (found) view?.location.replace(found);
  else view?.close();
}

/**
 * Have the provider say who is here. Where no window can be opened this page goes there itself.
 * @param {boolean} again whether it is asked of who is signed in already
 * @returns {Promise<{outcome: string, reason: string}>} "signed-in", "again", or "refused" with why
 */
export async function visit(again) {
  const view = openWindow();
  const ended = new Promise((resolve) => {
    heard = resolve;
  });
  const answer = await call("POST", "/api/openid", { again });
  const to = address(answer.body?.to);
  lead(view, to);
  if (!to) return { outcome: "refused", reason: answer.error || say("signIn.nowhere") };
  if (!view) location.assign(to);
  return ended;
}
