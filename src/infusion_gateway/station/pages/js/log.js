/** A bed's log: what happened, newest first, and what is older read from the gateway's history. */

import { bedPath, call } from "./api.js";
import { clock } from "./clock.js";
import { el, mark, match, put, show } from "./dom.js";
import { say } from "./words.js";

const SHOWN = 300;

/**
 * Make the log of a bed.
 * @returns {{node: Element, update: (bed: any, happenings: any[]) => void}}
 */
export function logOf() {
  const kept = new Map();
  const rows = el("ol", { class: "log-rows" });
  const none = el("p", { class: "quiet", text: say("bed.noLog") });
  const said = el("p", { class: "form-said", role: "status" });
  const more = el("button", { class: "plain", type: "button" }, say("bed.older"));
  const node = el("section", { class: "panel log", "aria-label": say("bed.log") }, el("h2", { text: say("bed.log") }), none, rows, more, said);
  let bed = null;
  let recent = [];
  let older = [];
  let before = null;

  const paint = () => {
    const seen = new Map();
    for (const one of [...older, ...recent]) seen.set(`${one.sequence} ${one.at}`, one);
    const all = [...seen.values()].sort((a, b) => b.at.localeCompare(a.at) || b.sequence - a.sequence).slice(0, SHOWN);
    show(none, all.length === 0);
    match(rows, all, (one) => `${one.sequence} ${one.at}`, entry, kept);
  };

  more.addEventListener("click", async () => {
    const first = Math.min(...[...older, ...recent].map((one) => one.sequence).filter(Number.isFinite));
    const from = before ?? (Number.isFinite(first) ? first : "");
    const answer = await call("GET", bedPath(bed, `log?before=${from}`));
    const refused = answer.ok ? String(answer.body?.refused ?? "") : answer.error;
    put(said, refused ? say("bed.logFailed", { why: refused }) : "");
    if (!answer.ok || refused) return;
    older = [...older, ...(answer.body?.happenings ?? [])].slice(-SHOWN);
    before = answer.body?.before ?? null;
    show(more, before !== null);
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
  const text = el("span", { class: "log-text" });
  const by = el("span", { class: "log-by" });
  const late = el("span", { class: "log-late" });
  const node = el("li", { class: "log-row" }, at, symbol, el("span", { class: "log-words" }, title, text, by, late));
  return {
    node,
    update(one) {
      mark(at, "datetime", String(one.at));
      put(at, clock(one.at, true));
      mark(node, "data-priority", one.priority ?? "none");
      put(symbol, one.priority ? say(`symbol.${one.priority}`) : "");
      put(title, one.title ?? one.type ?? "");
      put(text, one.text && one.text !== one.title ? one.text : "");
      put(by, one.by ?? "");
      put(late, one.late ? say("bed.late") : "");
    },
  };
}
