/** A patient's call button: one touch, any key, and how the call stands, in words that can be read from a bed. */

import { call } from "./api.js";
import { clock, moment, since } from "./clock.js";
import { el, mark, put, show } from "./dom.js";
import { say, term } from "./words.js";

const ASK_MS = { told: 1500, other: 2000 };
const PATIENCE_MS = 2500;
const CALL_PATIENCE_MS = 6000;
/** Without an answer for so long nothing that is shown may be relied on. */
const LOST_S = 5;
/** What a keyboard's own handling needs; every other key calls, as a USB button sends whichever it was given. */
const NOT_A_CALL = new Set(["Tab", "Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "NumLock", "ScrollLock", "Escape"]);

const word = el("span", { class: "call-word", text: say("call.button") });
const hint = el("span", { class: "call-hint", text: say("call.hint") });
const button = el("button", { class: "call-button", type: "button", "data-do": "call" }, word, hint);
const told = el("span", {});
const why = el("span", { class: "call-why" });
const said = el("p", { class: "call-said", role: "status", "aria-live": "assertive" }, told, why);
const foot = el("p", { class: "call-foot" });
const page = el("div", { class: "call" }, button, said, foot);
let shown = { state: "connecting", since: null, by: "", why: "", bed: "" };
let heard = moment();
let calling = false;
let timer = 0;

function paint() {
  const lost = since(heard) > LOST_S && !calling;
  const state = lost ? "unable" : calling ? "calling" : shown.state;
  mark(page, "data-state", state);
  put(told, state === "taken" ? say(shown.by ? "call.taken" : "call.takenBySomebody", { person: shown.by }) : term("call", state));
  if (lost) put(why, say("call.lost"));
  else if (state === "told" || state === "taken") put(why, shown.since ? say("call.since", { clock: clock(shown.since) }) : "");
  else put(why, state === "unable" || state === "failed" ? shown.why : "");
  show(hint, state === "ready" || state === "told" || state === "taken" || state === "failed");
  put(foot, shown.bed ? say("call.foot", { bed: shown.bed }) : "");
}

function take(answer) {
  const body = answer.body;
  if (answer.ok && typeof body?.state === "string") {
    heard = moment();
    shown = { state: body.state, since: body.since ?? null, by: String(body.by ?? ""), why: String(body.why ?? ""), bed: String(body.bed ?? "") };
  } else if (answer.status === 403 && answer.field === "screen") {
    location.replace("/");
  } else if (answer.status) {
    shown = { ...shown, state: "unable", why: answer.error };
  }
}

async function press() {
  if (calling) return;
  calling = true;
  paint();
  const answer = await call("POST", "/api/call", {}, CALL_PATIENCE_MS);
  calling = false;
  take(answer);
  if (!answer.ok) shown = { ...shown, state: "failed", why: answer.error };
  paint();
  again();
}

async function look() {
  const answer = await call("GET", "/api/call", undefined, PATIENCE_MS);
  const kept = shown.state === "failed" && ["ready", "unable"].includes(answer.body?.state); // it stays to be read
  if (!calling && !kept) take(answer);
  else if (answer.ok) heard = moment();
  paint();
  again();
}

function again() {
  clearTimeout(timer);
  timer = setTimeout(look, shown.state === "told" ? ASK_MS.told : ASK_MS.other);
}

button.addEventListener("click", press);
addEventListener("keydown", (event) => {
  if (NOT_A_CALL.has(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  if (!event.repeat) void press();
});
addEventListener("contextmenu", (event) => event.preventDefault());

mark(document.documentElement, "data-theme", localStorage.getItem("theme") === "light" ? "light" : "dark");
document.title = say("call.title");
document.getElementById("main").append(page);
button.focus();
paint();
void look();
setInterval(paint, 1000);
void navigator.wakeLock?.request("screen").catch(() => undefined);
