/** Handing over: one bed or all of them, with who answered what, what is due, and the last hour; made to be printed too. */

import { aloud } from "./aloud.js";
import { call } from "./api.js";
import { clock, moment, number, since, stationNow } from "./clock.js";
import { el, mark, match, put, show } from "./dom.js";
import { doseOf, leftOf, stateOf } from "./state.js";
import { stopButton } from "./stop.js";
import { addressOf } from "./tile.js";
import { happened, whoTitle } from "./told.js";
import { say, term } from "./words.js";

const AGAIN_MS = 20_000;

/**
 * Make the page of a handover.
 * @param {{ward: any, announce: (text: string) => void, key: string | null}} given key: of one bed; null: of all
 * @returns {{node: Element, update: () => void, one: (key: string) => void, fit: () => void, gone: () => void}}
 */
export function handoverPage({ ward, announce, key }) {
  const kept = new Map();
  const title = el("h1", { text: key ? say("handover.ofBed", { bed: key }) : say("handover.title") });
  const made = el("p", { class: "quiet" });
  const said = el("p", { class: "form-said", role: "status" });
  const print = el("button", { class: "big", type: "button", "data-do": "print", onclick: () => globalThis.print() }, say("look.print"));
  const renew = el("button", { class: "big", type: "button", "data-do": "renew", onclick: () => void read() }, say("look.renew"));
  const all = el("a", { class: "plain", href: key ? "#/handover" : "#/" }, say(key ? "handover.all" : "bed.back"));
  const list = el("div", { class: "look-beds" });
  const calm = el("p", { class: "look-calm" });
  const statistics = el("a", { class: "plain", href: "#/audit", text: say("look.audit") });
  const head = el("div", { class: "look-head" }, title, made, el("div", { class: "look-acts no-print" }, all, statistics, renew, print));
  const node = el("div", { class: "look" }, head, said, list, calm);
  let told = new Map();
  let read_at = null;
  let gone = false;

  const read = async () => {
    const [gateway, bed] = key ? key.split("/") : ["", ""];
    const answer = await call("GET", `/api/handover?gateway=${encodeURIComponent(gateway)}&bed=${encodeURIComponent(bed)}`);
    if (gone) return;
    put(said, answer.ok ? "" : say("handover.failed", { why: answer.error }));
    mark(said, "data-outcome", answer.ok ? null : "failed");
    if (!answer.ok) return;
    told = new Map((answer.body?.beds ?? []).map((one) => [one.key, one]));
    read_at = moment();
    put(made, say("handover.made", { day: day(stationNow()), clock: clock(stationNow(), true), station: String(answer.body?.station ?? "") }));
    update();
  };
  const update = () => {
    const beds = ward.ordered().filter((bed) => (key ? bed.key === key : told.has(bed.key)));
    const quiet = key ? [] : beds.filter((bed) => ward.lost(bed) === "" && nothing(bed, told.get(bed.key)));
    match(list, beds.filter((bed) => !quiet.includes(bed)), (bed) => bed.key, () => article(announce, ward), kept);
    for (const [name, part] of kept) part.tell(told.get(name) ?? null, read_at, ward.lost(ward.beds.get(name) ?? {}));
    show(calm, quiet.length > 0);
    put(calm, say("handover.calm", { beds: quiet.map((bed) => bed.bed).join(", ") }));
  };
  const timer = setInterval(() => void read(), AGAIN_MS);
  void read();
  return {
    node,
    update,
    one: () => undefined,
    fit: () => undefined,
    gone() {
      gone = true;
      clearInterval(timer);
      for (const part of kept.values()) part.gone();
    },
  };
}

/** No session, no alarm, nothing due and nothing happened: told in one line for all of them. */
function nothing(bed, told) {
  const idle = ["idle", "closed", "aborted"].includes(bed.session?.phase ?? "");
  return idle && !bed.alarms?.length && told?.complete && !told.hour.length && !told.due.length;
}

function article(announce, ward) {
  const name = el("a", { class: "look-bed" });
  const state = el("span", { class: "look-state" });
  const facts = el("p", { class: "look-facts" });
  const summary = aloud(ward);
  const stop = stopButton(announce);
  const lacks = el("p", { class: "look-lacks", role: "status" });
  const more = el("p", { class: "quiet" });
  const parts = ["alarms", "due", "answers", "hour"].map((what) => section(what));
  const node = el("article", { class: "panel look-article" }, el("div", { class: "look-strip" }, el("h2", {}, name), state, stop.node), facts, summary.node, lacks, ...parts.map((part) => part.node), more);
  let bed = null;
  return {
    node,
    gone: stop.gone,
    update(next) {
      bed = next;
      stop.update(next);
      put(name, next.key);
      mark(name, "href", addressOf(next));
      put(state, stateOf(next).word);
      put(facts, factsOf(next));
    },
    tell(told, readAt, lost) {
      const [alarms, due, answers, hour] = parts;
      if (bed) summary.update(bed, told);
      alarms.tell((bed?.alarms ?? []).map(alarmRow));
      due.tell((told?.due ?? []).map((one) => dueRow(one, readAt)));
      answers.tell((told?.answers ?? []).map(row).reverse());
      hour.tell((told?.hour ?? []).map(row).reverse());
      put(more, told?.more ? say("handover.more", { count: told.more }) : "");
      const why = lost || !told ? say("handover.lost", { why: bed?.why || lost }) : told.complete ? "" : say("handover.lacks", { why: told.why });
      put(lacks, why);
      show(lacks, why !== "");
    },
  };
}

function factsOf(bed) {
  const dose = doseOf(bed);
  const rest = leftOf(bed);
  const order = bed.session?.order;
  return [
    bed.session?.case ? say("bed.case", { case: bed.session.case }) : say("bed.noCase"),
    order ? `${order.protocol}, ${number(order.weight_kg, 1)} ${say("unit.kg")}` : "",
    order ? say("dose.delivered", { delivered: dose.delivered, ordered: dose.ordered }) : "",
    Number.isFinite(bed.tile?.rate_ml_h) && bed.session?.phase === "infusing" ? say("dose.rate", { value: dose.rate }) : "",
    rest.kind === "paused" && rest.ends !== null ? say("ring.endsPaused", { clock: clock(rest.ends) }) : "",
    bed.session?.waits_for_second ? say("bed.waits", { instruction: term("do", bed.session.waits_for_second) }) : "",
  ].filter(Boolean).join(" · ");
}

/** A headed list whose rows are given anew; what is the same stays untouched. */
function section(what) {
  const rows = el("ol", { class: "look-rows" });
  const none = el("p", { class: "quiet", text: say(`handover.${what}.none`) });
  return {
    node: el("section", { class: `look-part look-${what}` }, el("h3", { text: say(`handover.${what}`) }), none, rows),
    tell(found) {
      show(none, found.length === 0);
      const text = JSON.stringify(found);
      if (rows.dataset.text === text) return;
      rows.dataset.text = text;
      rows.replaceChildren(...found.map((row) => el("li", { class: "look-row", "data-priority": row.priority ?? "none", "data-late": row.late ? "" : null }, el("span", { class: "look-at", text: row.at }), el("span", { class: "look-symbol", text: row.priority ? say(`symbol.${row.priority}`) : "" }), el("span", { class: "look-words" }, el("b", { text: row.title }), el("span", { class: "log-code", text: row.code ?? "" }), el("span", { text: row.text }), el("span", { class: "look-by", text: row.by })))));
    },
  };
}

function alarmRow(alarm) {
  const by = alarm.acknowledged_by ? say("alarm.by", { person: whoTitle(alarm.acknowledged_by) }) : say("alarm.nobody");
  return { at: clock(alarm.since), priority: alarm.priority, title: alarm.text || alarm.code, text: "", by };
}

function dueRow(due, readAt) {
  const rest = due.in_s === null || !readAt ? null : due.in_s - since(readAt);
  const late = due.overdue || (rest !== null && rest < 0);
  const text = late ? (rest === null || rest >= 0 ? say("handover.overdue") : say("handover.overdueBy", { time: minutes(-rest) })) : rest === null ? say("handover.dueUnknown") : say("handover.dueIn", { time: minutes(rest) });
  const every = due.every_s > 0 ? say("handover.every", { time: minutes(due.every_s) }) : "";
  const last = due.last ? say("handover.last", { clock: clock(due.last) }) : say("handover.never");
  const named = term("score", due.what);
  return { at: late ? "!" : "", priority: null, late, title: named === due.what ? term("vital", due.what) : named, text: `${text}${every ? `, ${every}` : ""}`, by: last };
}

function minutes(seconds) {
  return say("age.minutes", { n: Math.max(0, Math.floor(seconds / 60)) });
}

function row(one) {
  return { at: clock(one.at, true), priority: one.priority ?? null, ...happened(one) };
}

/**
 * Write a day in the viewer's zone, as 2026-11-22.
 * @param {number | string} time
 * @returns {string}
 */
export function day(time) {
  const at = new Date(time);
  const two = (n) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
