/** A bed's log: what happened, newest first, and what is older read from the gateway's history. */

import { bedPath, call } from "./api.js";
import { clock } from "./clock.js";
import { el, mark, match, put, show } from "./dom.js";
import { happened } from "./told.js";
import { say, term } from "./words.js";

const LOG_PATIENCE_MS = 20_000;
/** Rows that are kept at once; who goes back further loses the newest of what was read. */
const SHOWN = 2000;
/** Stretches without an entry of the kind that are passed over at one press. */
const PASSED = 5;
const KINDS = {
  all: [],
  alarms: ["condition-raised", "condition-cleared", "condition-acknowledged", "alarm-escalated", "audio-paused", "hold-off-granted", "alarm-tested", "signal-suppressed"],
  people: ["instruction-accepted", "instruction-refused", "assessed", "case-ordered", "case-confirmed", "order-amended", "concentration-corrected", "syringe-changed", "gate-overridden", "case-limit-set", "condition-acknowledged", "hold-off-granted", "resume-permitted", "patient-away", "prime-announced", "change-proposed"],
  session: ["case-ordered", "case-confirmed", "case-received", "case-moved", "phase-changed", "infusion-started", "baseline-taken", "end-approaching", "stop-asked", "stop-confirmed", "delivery-changed", "rate-changed", "counter-restarted", "pump-alarmed", "dead-man-set", "move-asked", "move-failed", "arrival-refused"],
  equipment: ["gateway-started", "supervision-changed", "bed-quarantined", "device-identified"],
};

/**
 * Make the log of a bed.
 * @returns {{node: Element, update: (bed: any, happenings: any[]) => void}}
 */
export function logOf() {
  const kept = new Map();
  const rows = el("ol", { class: "log-rows", tabindex: "0", "aria-label": say("bed.log") });
  const none = el("p", { class: "quiet", text: say("bed.noLog") });
  const said = el("p", { class: "form-said", role: "status" });
  const more = el("button", { class: "plain", type: "button" }, say("bed.older"));
  const choice = el("select", { id: "log-kinds", name: "kinds" }, ...Object.keys(KINDS).map((name) => el("option", { value: name, text: term("log", name) })));
  const head = el("div", { class: "log-head" }, el("h2", { text: say("bed.log") }), el("label", { for: "log-kinds", text: say("log.kinds") }), choice);
  const node = el("section", { class: "panel log", "aria-label": say("bed.log") }, head, none, rows, more, said);
  let bed = null;
  let recent = [];
  let older = [];
  let before = null;

  const wanted = () => KINDS[choice.value];
  const paint = () => {
    const kinds = wanted();
    const seen = new Map();
    for (const one of [...older, ...recent]) if (kinds.length === 0 || kinds.includes(one.type)) seen.set(`${one.sequence} ${one.at}`, one);
    const all = [...seen.values()].sort((a, b) => b.at.localeCompare(a.at) || b.sequence - a.sequence);
    show(none, all.length === 0);
    match(rows, all, (one) => `${one.sequence} ${one.at}`, entry, kept);
  };
  const ask = async () => {
    const kinds = wanted();
    const first = Math.min(...[...older, ...recent].map((one) => one.sequence).filter((one) => one > 0));
    for (let passed = 0; passed < PASSED; passed += 1) {
      const from = before ?? (Number.isFinite(first) ? first : "");
      const answer = await call("GET", bedPath(bed, `log?before=${from}&kinds=${kinds.join(",")}`), undefined, LOG_PATIENCE_MS);
      const refused = answer.ok ? String(answer.body?.refused ?? "") : answer.error;
      put(said, refused ? say("bed.logFailed", { why: refused }) : "");
      if (!answer.ok || refused || wanted() !== kinds) return;
      const found = answer.body?.happenings ?? [];
      older = [...older, ...found].slice(-SHOWN);
      before = answer.body?.before ?? null;
      show(more, before !== null);
      if (found.length > 0 || before === null) return;
    }
  };
  more.addEventListener("click", async () => {
    mark(more, "disabled", "");
    await ask();
    mark(more, "disabled", null);
    paint();
  });
  choice.addEventListener("change", () => {
    [older, before] = [[], null];
    show(more, true);
    put(said, "");
    paint();
  });

  return {
    node,
    update(next, happenings) {
      bed = next;
      recent = happenings;
      paint();
    },
  };
}

function entry() {
  const at = el("time", { class: "log-at" });
  const symbol = el("span", { class: "log-symbol" });
  const title = el("span", { class: "log-title" });
  const code = el("span", { class: "log-code" });
  const text = el("span", { class: "log-text" });
  const by = el("span", { class: "log-by" });
  const late = el("span", { class: "log-late" });
  const node = el("li", { class: "log-row" }, at, symbol, el("span", { class: "log-words" }, title, code, text, by, late));
  return {
    node,
    update(one) {
      mark(at, "datetime", String(one.at));
      put(at, clock(one.at, true));
      mark(node, "data-priority", one.priority ?? "none");
      put(symbol, one.priority ? say(`symbol.${one.priority}`) : "");
      const said = happened(one);
      put(title, said.title);
      put(code, said.code);
      put(text, said.text);
      put(by, said.by);
      put(late, one.late ? say("bed.late") : "");
    },
  };
}
