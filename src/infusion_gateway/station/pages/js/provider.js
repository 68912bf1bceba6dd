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

/**
 * Lead a window to an address of the provider, or close it where there is none.
 * @param {Window | null} view @param {unknown} to
 * @returns {boolean} whether it is on its way
 */
export function lead(view, to) {
  const url = typeof to === "string" && URL.canParse(to) ? new URL(to) : null;
  const sound = url?.protocol === "https:" || url?.protocol === "http:";
  if (sound) view?.location.replace(url.href);
  else view?.close();
  return sound && view !== null;
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
  if (lead(view, answer.body?.to)) return ended;
  if (!answer.ok || view) return { outcome: "refused", reason: answer.error || say("signIn.nowhere") };
  location.assign(new URL(answer.body.to, location.href).href);
  return ended;
}
