/** The PIN pad: large keys for gloves; the keyboard works too. */

import { instruct } from "./api.js";
import { el, mark, put } from "./dom.js";
import { closeSheet, sheet } from "./sheet.js";
import { plain } from "./told.js";
import { say } from "./words.js";

const LONGEST = 12;
/** So long an acceptance stays to be read. */
const SHOWN_MS = 3000;
/** Answers after which there is nothing left to enter. */
const DONE = new Set(["accepted", "not-recorded"]);

/**
 * Ask for a person, then put the instruction: signed in, one more touch; else a PIN.
 * @param {{bed: any, name: string, args: Record<string, unknown>, about: string, signedIn: boolean, announce: (text: string) => void}} given
 */
export function askPerson(given) {
  let pin = "";
  const shown = el("output", { class: "pin-shown", "data-empty": "", text: say("pin.title") });
  const said = el("p", { class: "form-said", role: "status" });
  const go = el("button", { class: "big go", type: "submit", "data-first": given.signedIn }, say(given.name === "acknowledge" ? "pin.acknowledge" : "pin.do"));
  const press = (digit) => {
    pin = digit === null ? pin.slice(0, -1) : (pin + digit).slice(0, LONGEST);
    put(shown, "●".repeat(pin.length) || say("pin.title"));
    mark(shown, "data-empty", pin ? null : "");
    mark(shown, "aria-label", say("pin.digits", { count: pin.length }));
  };
  const key = (text, label, act, first) => el("button", { class: "pin-key", type: "button", "aria-label": label, "data-first": first, onclick: act }, text);
  const digits = ["1", "2", "3", "4", "5", "6", "7", "8", "9"].map((digit) => key(digit, digit, () => press(digit), digit === "1"));
  const pad = el("div", { class: "pin-pad", role: "group", "aria-label": say("pin.title") }, ...digits, key(say("pin.backSign"), say("pin.back"), () => press(null)), key("0", "0", () => press("0")));
  const form = el("form", { class: "pin" }, ...(given.signedIn ? [] : [shown, pad]), go, said);
  if (given.said) tellAnswer(said, given.said, given.announce);
  const made = sheet({ title: say(`do.${given.name}`), about: given.about, bed: given.bed, content: [form], announce: given.announce });

  made.node.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || given.signedIn) return;
    if (/^[0-9]$/.test(event.key)) press(event.key);
    else if (event.key === "Backspace") press(null);
    else if (event.key === "Enter" && pin && event.target.closest(".pin-pad")) form.requestSubmit();
    else return;
    event.preventDefault();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!given.signedIn && !pin) return put(said, say("pin.empty"));
    mark(go, "disabled", "");
    put(said, say("form.sending"));
    const answer = await instruct(given.bed, given.name, given.args, given.signedIn ? undefined : pin);
    mark(go, "disabled", null);
    pin = "";
    press(null);
    // signed in no more: after a while without a touch, or a new station
    if (answer.status === 401 && given.signedIn && said.isConnected) askPerson({ ...given, signedIn: false, said: answer });
    else tellAnswer(said, answer, given.announce);
    if (DONE.has(answer.outcome) && said.isConnected) {
      form.replaceChildren(said);
      made.node.querySelector(".sheet-head .plain").focus();
    }
    if (answer.outcome === "accepted" && said.isConnected) setTimeout(() => said.isConnected && closeSheet(), SHOWN_MS);
    return undefined;
  });
}

/**
 * Show what the gateway answered, refused ones with why.
 * @param {Element} node @param {{outcome: string, reason: string}} answer @param {(text: string) => void} announce
 */
export function tellAnswer(node, answer, announce) {
  const text = say(`form.${answer.outcome}`, { reason: plain(answer.reason) });
  put(node, text);
  mark(node, "data-outcome", answer.outcome);
  announce(text);
}
