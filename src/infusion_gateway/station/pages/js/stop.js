/** STOP: held for a second, wherever a bed is shown; what became of it stays to be read. */

import { instruct } from "./api.js";
import { stationNow } from "./clock.js";
import { el, mark, put } from "./dom.js";
import { say } from "./words.js";

/** How long it must be held. */
export const HOLD_MS = 1000;
/** Without an answer for so long it counts as not sent. */
export const ANSWER_MS = 2000;
const WHOLE_PATIENCE_MS = 15_000;
/** How long what went well is still said; what did not stays. */
const SHOWN_MS = 60_000;
/** How long it is said, at the button itself, that it was let go too early. */
const EARLY_MS = 6000;
/** So far the clocks of a gateway and a station may be apart; what is on record of longer before a press is of before. */
const APART_MS = 5000;
const HELD_KEYS = new Set([" ", "Enter"]);
/** The gateway's words for a stop under way, and for one that it saw done. */
const UNDER_WAY = new Set(["asked", "not-confirmed"]);
const DONE = new Set(["confirmed", "provisional"]);
const CASELESS = new Set(["idle", "ordered", "closed"]);
/**
 * Each bed's last press and what became of it: every button of that bed shows the same. asked: the gateway was seen to
 * ask the pump since; confirmed: since when it is seen to have stopped after that, in ms; before: where on record what
 * counts for it begins.
 */
const presses = new Map();

/**
 * Make a STOP button with its answer.
 * @param {(text: string) => void} announce says it to a screen reader at once
 * @returns {{node: Element, update: (bed: any) => void, gone: () => void}}
 */
export function stopButton(announce) {
  let bed = null;
  let timer = 0;
  let early = 0;
  let pressed = new DOMRect();
  const word = el("span", { class: "stop-word", text: say("stop.button") });
  const whose = el("span", { class: "stop-bed" }); // where a tile's head can be scrolled out of sight
  const hint = el("span", { class: "stop-hint", text: say("stop.hold") });
  const button = el("button", { class: "stop", type: "button", "data-do": "stop" }, el("span", { class: "stop-fill", "aria-hidden": "true" }), word, " ", whose, hint);
  const answer = el("span", { class: "stop-answer" });
  const node = el("div", { class: "stop-box" }, button, answer);

  const begin = () => {
    if (timer || !bed) return;
    clearTimeout(early);
    early = 0;
    paint();
    button.style.setProperty("min-width", `${button.getBoundingClientRect().width}px`); // other words don't move it from under a finger
    mark(button, "data-holding", "");
    put(hint, say("stop.keepHolding"));
    timer = setTimeout(() => {
      end();
      send(bed, announce);
      paint();
    }, HOLD_MS);
  };
  const end = () => {
    clearTimeout(timer);
    timer = 0;
    button.style.removeProperty("min-width");
    mark(button, "data-holding", null);
    put(hint, say("stop.hold"));
  };
  /** Let go: of a hold that was too short it is said, because nothing else would be. */
  const letGo = () => {
    if (timer === 0) return;
    end();
    early = setTimeout(() => {
      early = 0;
      paint();
    }, EARLY_MS);
    announce(`${bed.bed}: ${say("stop.early")}`);
    paint();
  };
  /** What became of a stop stands before what became of a touch. */
  const paint = () => {
    const now = saidOf(presses.get(bed.key)) ?? (early ? { kind: "early", text: say("stop.early") } : null);
    put(answer, now?.text ?? "");
    mark(answer, "data-kind", now?.kind ?? null);
  };

  answer.addEventListener("click", () => {
    if (answer.dataset.kind === "not-sent") presses.delete(bed.key); // it was read
    paint();
  });
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture?.(event.pointerId);
    pressed = button.getBoundingClientRect();
    begin();
  });
  for (const name of ["pointerup", "pointercancel", "blur", "contextmenu"]) {
    button.addEventListener(name, (event) => {
      if (name === "contextmenu") event.preventDefault(); // a long touch is a hold, no menu
      else letGo();
    });
  }
  // Where it was when it was pressed: a bar that comes or goes above moves it, and the finger has not left it.
  button.addEventListener("pointermove", (event) => {
    const off = event.clientX < pressed.left || event.clientX > pressed.right || event.clientY < pressed.top || event.clientY > pressed.bottom;
    if (off) letGo();
  });
  button.addEventListener("keydown", (event) => {
    if (!HELD_KEYS.has(event.key)) return;
    event.preventDefault();
    if (!event.repeat) begin();
  });
  button.addEventListener("keyup", (event) => {
    if (HELD_KEYS.has(event.key)) letGo();
  });

  return {
    node,
    update(next) {
      bed = next;
      put(whose, bed.bed);
      mark(button, "aria-label", say("stop.label", { bed: bed.key }));
      follow(bed);
      paint();
    },
    gone() {
      end();
      clearTimeout(early);
    },
  };
}

/** Say whether a pump of the bed says that it delivers, or that it doesn't. */
function delivers(bed) {
  const said = (bed.devices ?? []).map((device) => device.delivery).filter((delivery) => typeof delivery === "string");
  return { runs: bed.session?.phase === "infusing" || said.some((one) => !["stopped", "unknown"].includes(one)), stands: said.length > 0 && said.every((one) => one === "stopped") };
}

/** Where nothing was begun, a gateway drops a stop as soon as it has seen it done: then that is all there is of its confirmation. */
function droppedAsDone(press, bed, stands) {
  return stands && !bed.session?.stopping && CASELESS.has(press.phase) && bed.session?.phase === press.phase;
}

/** Give where on the bed's record a press stands: after the newest stop that is known, and after all that is old. */
function sinceOf(bed) {
  const known = bed.stops["stop-asked"] ?? "";
  const young = new Date(stationNow() - APART_MS).toISOString();
  return known > young ? known : young;
}

/**
 * Say whether the record tells of a stop asked for after the press, and seen done after that: what the bed's state was
 * for a moment is missed where a gateway or a station has to connect anew, what is on record is not.
 */
function recorded(press, { "stop-asked": asked = "", "stop-confirmed": done = "" }) {
  return asked > press.before && done > asked;
}

/** Hold a press against how the bed stands since: what stood before it, and the phase, are no answer to it. */
function follow(bed) {
  const press = presses.get(bed.key);
  if (!press) return;
  const stopping = bed.session?.stopping;
  const { runs, stands } = delivers(bed);
  press.asked ||= UNDER_WAY.has(stopping);
  press.doubted = stopping === "not-confirmed";
  press.stood &&= stands;
  const onRecord = recorded(press, bed.stops);
  if (UNDER_WAY.has(stopping) || runs || (!press.asked && !onRecord)) press.confirmed = null;
  else if (press.asked && (DONE.has(stopping) || droppedAsDone(press, bed, stands))) press.confirmed ??= Date.now();
  else if (stands && onRecord) press.confirmed ??= Date.now();
  const well = press.kind === "sent" || (press.taken && press.confirmed !== null);
  if (well && !UNDER_WAY.has(stopping) && Date.now() - (press.confirmed ?? press.at) > SHOWN_MS) presses.delete(bed.key);
}

/** Say what became of a press. That it wasn't sent stays: what is seen to have stopped since may be another's stop. */
function saidOf(press) {
  if (!press || press.kind === "sending") return press;
  if (!press.taken) return press.confirmed === null ? press : { ...press, text: say("stop.since", press) };
  if (press.confirmed !== null) return { kind: "confirmed", text: say("stop.confirmed") };
  if (press.doubted) return { kind: "not-sent", text: say("stop.notConfirmed") };
  return press.stood ? { ...press, text: say("stop.stood") } : press;
}

async function send(bed, announce) {
  const press = { asked: false, confirmed: null, doubted: false, taken: false, phase: bed.session?.phase, before: sinceOf(bed), stood: bed.link === "live" && delivers(bed).stands };
  presses.set(bed.key, press);
  const tell = (kind, text) => {
    Object.assign(press, { kind, text, at: Date.now() });
    if (presses.get(bed.key) === press) announce(`${bed.bed}: ${text}`);
  };
  tell("sending", say("stop.sending"));
  let late = false;
  const giveUp = setTimeout(() => {
    late = true;
    tell("not-sent", say("stop.notSent"));
  }, ANSWER_MS);
  const answer = await instruct(bed, "stop", { reason: say("stop.reason") }, undefined, WHOLE_PATIENCE_MS);
  clearTimeout(giveUp);
  press.taken = answer.outcome === "accepted" || answer.outcome === "not-recorded";
  if (press.taken) tell(late ? "not-sent" : "sent", say(late ? "stop.late" : "stop.accepted"));
  else if (answer.outcome === "refused" && answer.status === 200) tell("not-sent", say("stop.refused", { reason: answer.reason }));
  else tell("not-sent", [say("stop.notSent"), answer.outcome === "unanswered" ? "" : answer.reason].filter(Boolean).join(". "));
}
