/** STOP: held for a second, wherever a bed is shown; what became of it stays to be read. */

import { instruct } from "./api.js";
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
const HELD_KEYS = new Set([" ", "Enter"]);
/** What was said of each bed's last stop: every button of that bed shows the same. */
const said = new Map();

/**
 * Make a STOP button with its answer.
 * @param {(text: string) => void} announce says it to a screen reader at once
 * @returns {{node: Element, update: (bed: any) => void, gone: () => void}}
 */
export function stopButton(announce) {
  let bed = null;
  let timer = 0;
  let early = 0;
  const word = el("span", { class: "stop-word", text: say("stop.button") });
  const hint = el("span", { class: "stop-hint", text: say("stop.hold") });
  const button = el("button", { class: "stop", type: "button", "data-do": "stop" }, el("span", { class: "stop-fill", "aria-hidden": "true" }), word, hint);
  const answer = el("span", { class: "stop-answer" });
  const node = el("div", { class: "stop-box" }, button, answer);

  const begin = () => {
    if (timer || !bed) return;
    clearTimeout(early);
    early = 0;
    paint();
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
    const now = said.get(bed.key) ?? (early ? { kind: "early", text: say("stop.early") } : null);
    put(answer, now?.text ?? "");
    mark(answer, "data-kind", now?.kind ?? null);
  };

  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture?.(event.pointerId);
    begin();
  });
  for (const name of ["pointerup", "pointercancel", "blur", "contextmenu"]) {
    button.addEventListener(name, (event) => {
      if (name === "contextmenu") event.preventDefault(); // a long touch is a hold, no menu
      else letGo();
    });
  }
  button.addEventListener("pointermove", (event) => {
    const box = button.getBoundingClientRect();
    const off = event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
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

/** What the gateway itself says of the stop replaces what was said of the asking. */
function follow(bed) {
  const now = said.get(bed.key);
  if (!now) return;
  const done = bed.session?.stopping === "confirmed" || ["stopped", "closed"].includes(bed.session?.phase);
  if (done && now.kind !== "confirmed" && now.kind !== "sending") {
    said.set(bed.key, { kind: "confirmed", text: say("stop.confirmed"), at: Date.now() });
  } else if (["sent", "confirmed"].includes(now.kind) && Date.now() - now.at > SHOWN_MS && bed.session?.stopping !== "asked") said.delete(bed.key);
}

async function send(bed, announce) {
  const tell = (kind, text) => {
    said.set(bed.key, { kind, text, at: Date.now() });
    announce(`${bed.bed}: ${text}`);
  };
  tell("sending", say("stop.sending"));
  let late = false;
  const giveUp = setTimeout(() => {
    late = true;
    tell("not-sent", say("stop.notSent"));
  }, ANSWER_MS);
  const answer = await instruct(bed, "stop", { reason: say("stop.reason") }, undefined, WHOLE_PATIENCE_MS);
  clearTimeout(giveUp);
  const taken = answer.outcome === "accepted" || answer.outcome === "not-recorded";
  if (taken) tell(late ? "not-sent" : "sent", say(late ? "stop.late" : "stop.accepted"));
  else if (answer.outcome === "refused" && answer.status === 200) tell("not-sent", say("stop.refused", { reason: answer.reason }));
  else tell("not-sent", [say("stop.notSent"), answer.outcome === "unanswered" ? "" : answer.reason].filter(Boolean).join(". "));
}
