/** An alarm as it is shown: symbol, text, value, limit, how long, who has it, and the countdown of a stop. Never by colour alone. */

import { age, clock, left, number, since, until } from "./clock.js";
import { el, mark, match, put, show } from "./dom.js";
import { countdownOf, pendingStop, topAlarm, topUnanswered } from "./state.js";
import { say, term } from "./words.js";

const FLASHES = new Set(["high", "medium"]);

/** @param {any} alarm @param {any} bed @returns {number | null} seconds that it has lasted. */
export function lasted(alarm, bed) {
  if (Number.isFinite(alarm.age_s)) return alarm.age_s + since(bed.heard);
  const seconds = until(alarm.since);
  return seconds === null ? null : Math.max(-seconds, 0);
}

function valueText(alarm) {
  const unit = term("unit", alarm.unit ?? "");
  if (!Number.isFinite(alarm.value)) return "";
  return say("alarm.value", { value: number(alarm.value, decimals(alarm.value)), unit });
}

/** Alarms of any value at all: their limit of 0 says nothing to people. */
const ANY = new Set(["distress"]);

function limitText(alarm) {
  if (!Number.isFinite(alarm.limit) || ANY.has(alarm.code)) return "";
  return say("alarm.limit", { limit: number(alarm.limit, decimals(alarm.limit)), unit: term("unit", alarm.unit ?? "") });
}

function decimals(value) {
  return Number.isInteger(value) ? 0 : 1;
}

/**
 * Part an alarm's text into what is wrong, and what to do: a small tile has room for the first alone.
 * @param {any} alarm
 * @returns {[string, string]}
 */
export function partsOf(alarm) {
  const text = alarm.text || alarm.code;
  const end = text.indexOf(". ") + 1;
  return end > 0 ? [text.slice(0, end), text.slice(end)] : [text, ""];
}

function whoText(alarm, bed) {
  if (alarm.acknowledged_by) return say("alarm.by", { person: alarm.acknowledged_by });
  if (alarm.signal === "latched" || alarm.present === false) return say("alarm.latched");
  const away = bed.away?.get(alarm.code);
  const seconds = away ? until(away.until) : null;
  return seconds > 0 ? say("alarm.away", { person: away.by, left: left(seconds) }) : say("alarm.nobody");
}

/** Whether the pump goes on beside an alarm: whoever reads it must not wait for a stop that never comes. */
function goesOn(alarm, bed) {
  return bed.session?.phase === "infusing" && !bed.session.stopping && pendingStop(alarm) === null ? say("alarm.goesOn") : "";
}

/**
 * Say in words how a pending stop stands.
 * @param {{seconds: number, held: boolean} | null} stop @param {"" | "Short"} [length]
 * @returns {string}
 */
export function countdownText(stop, length = "") {
  if (stop === null) return "";
  const which = stop.held ? "held" : stop.seconds > 0 ? "countdown" : "countdownNow";
  return say(`alarm.${which}${length}`, { left: left(stop.seconds) });
}

/**
 * Mark a node as an alarm's, so that style and flashing follow.
 * @param {Element} node @param {string} priority @param {boolean} quiet acknowledged: steady
 */
export function markPriority(node, priority, quiet) {
  mark(node, "data-priority", priority);
  mark(node, "data-quiet", quiet ? "" : null);
  mark(node, "data-flash", FLASHES.has(priority) && !quiet ? priority : null);
}

/**
 * Make a tile's banner: the most urgent alarm, and how many more. A stop's countdown leads to where it can be held off.
 * @param {(bed: any) => string} addressOf
 * @returns {{node: Element, update: (bed: any) => void}}
 */
export function banner(addressOf) {
  const parts = Object.fromEntries(["symbol", "text", "value", "limit", "age", "who", "more"].map((name) => [name, el("span", { class: `alarm-${name}` })]));
  const long = el("span", { class: "countdown-long" });
  const short = el("span", { class: "countdown-short" });
  const countdown = el("a", { class: "alarm-countdown" }, long, short);
  const what = el("span");
  const advice = el("span", { class: "alarm-advice" });
  parts.text.append(what, advice);
  const facts = el("span", { class: "alarm-facts" }, parts.value, parts.limit, parts.age, parts.who);
  const head = el("span", { class: "alarm-head" }, parts.symbol, parts.text, parts.more);
  const node = el("div", { class: "alarm-banner" }, head, facts, countdown);
  return {
    node,
    update(bed) {
      const alarm = topAlarm(bed);
      show(node, alarm !== null);
      if (!alarm) return markPriority(node, "none", true);
      const quiet = alarm.signal === "acknowledged";
      markPriority(node, alarm.priority, quiet);
      const other = quiet ? topUnanswered(bed) : null;
      markPriority(parts.more, other ? other.priority : "none", other === null);
      put(parts.symbol, say(`symbol.${alarm.priority}`));
      mark(parts.symbol, "aria-label", say(`priority.${alarm.priority}`));
      mark(parts.symbol, "role", "img");
      const [wrong, todo] = partsOf(alarm);
      put(what, wrong);
      put(advice, todo);
      put(parts.value, valueText(alarm));
      put(parts.limit, limitText(alarm));
      put(parts.age, say("alarm.since", { age: age(lasted(alarm, bed)) }));
      put(parts.who, whoText(alarm, bed));
      mark(parts.who, "data-nobody", alarm.acknowledged_by ? null : "");
      const more = bed.alarms.length - 1 + (bed.more ?? 0);
      put(parts.more, more > 0 ? say("alarm.more", { count: more }) : "");
      const stop = countdownOf(bed);
      show(countdown, stop !== null);
      mark(countdown, "href", addressOf(bed));
      put(long, countdownText(stop));
      put(short, countdownText(stop, "Short"));
      return undefined;
    },
  };
}

/**
 * Make the list of all alarms of a bed, each with what can be done.
 * @param {(alarm: any, what: "acknowledge" | "hold-off") => void} act
 * @returns {{node: Element, update: (bed: any) => void}}
 */
export function alarmList(act) {
  const kept = new Map();
  const rows = el("ul", { class: "alarm-list" });
  const none = el("p", { class: "quiet", text: say("alarm.none") });
  const more = el("p", { class: "alarm-over" });
  const node = el("section", { class: "panel alarms", "aria-label": say("alarm.title") }, el("h2", { text: say("alarm.title") }), none, rows, more);
  return {
    node,
    update(bed) {
      const alarms = bed.alarms ?? [];
      show(none, alarms.length === 0);
      show(more, (bed.more ?? 0) > 0);
      put(more, say("alarm.moreLong", { count: bed.more ?? 0 }));
      match(rows, alarms, (alarm) => `${alarm.code} ${alarm.instance}`, () => row(act), kept);
      for (const [, part] of kept) part.tick(bed);
    },
  };
}

function row(act) {
  let alarm = null;
  const symbol = el("span", { class: "alarm-symbol", role: "img" });
  const text = el("span", { class: "alarm-text" });
  const facts = el("span", { class: "alarm-facts" });
  const who = el("span", { class: "alarm-who" });
  const countdown = el("span", { class: "alarm-countdown" });
  const acknowledge = el("button", { class: "big", type: "button", "data-do": "acknowledge", onclick: () => act(alarm, "acknowledge") }, say("alarm.acknowledge"));
  const hold = el("button", { class: "big", type: "button", "data-do": "hold-off", onclick: () => act(alarm, "hold-off") }, say("alarm.holdOff"));
  const said = el("div", { class: "alarm-said" }, el("span", { class: "alarm-head" }, symbol, text), facts, who, countdown);
  const node = el("li", { class: "alarm-row" }, said, el("div", { class: "alarm-acts" }, hold, acknowledge));
  return {
    node,
    update(next) {
      alarm = next;
      markPriority(node, alarm.priority, alarm.signal === "acknowledged");
      mark(node, "data-collapsed", alarm.collapsed ? "" : null);
      put(symbol, say(`symbol.${alarm.priority}`));
      mark(symbol, "aria-label", say(`priority.${alarm.priority}`));
      put(text, alarm.text || alarm.code);
      mark(acknowledge, "aria-label", `${say("alarm.acknowledge")}: ${alarm.text || alarm.code}`);
      show(acknowledge, alarm.signal !== "acknowledged");
    },
    tick(bed) {
      const others = alarm.others > 0 ? say("alarm.others", { count: alarm.others }) : "";
      const began = say("alarm.sinceLong", { clock: clock(alarm.since, true), age: age(lasted(alarm, bed)) });
      const told = alarm.escalation > 0 ? say("alarm.escalated", { count: alarm.escalation }) : "";
      const kind = term("alarm", alarm.kind ?? "technical");
      put(facts, [valueText(alarm), limitText(alarm), began, kind, others, told].filter(Boolean).join(" · "));
      put(who, [whoText(alarm, bed), goesOn(alarm, bed)].filter(Boolean).join(" · "));
      mark(who, "data-nobody", alarm.acknowledged_by ? null : "");
      const stop = pendingStop(alarm);
      show(countdown, stop !== null);
      put(countdown, countdownText(stop));
      show(hold, stop !== null && !alarm.held_until); // once
    },
  };
}
