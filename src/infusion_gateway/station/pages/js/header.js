/** The head of every page: counts by priority, the beds in alarm with the most urgent first, the clock, and who is signed in. */

import { markPriority, partsOf } from "./alarm.js";
import { clock, left, stationNow, timeKnown } from "./clock.js";
import { el, mark, match, put, show } from "./dom.js";
import { dutyWord } from "./duty.js";
import { audioPausedOf, headline, topUnanswered } from "./state.js";
import { addressOf } from "./tile.js";
import { RANK } from "./priority.js";
import { say } from "./words.js";

const PRIORITIES = ["high", "medium", "low"];
const CHIPS = 6;

/**
 * Make the head.
 * @param {{ward: any, signIn: () => void, signOut: () => void, screen: () => void, duty: () => void}} given
 * @returns {{node: Element, update: () => void}}
 */
export function header({ ward, signIn, signOut, screen, duty }) {
  const numbers = Object.fromEntries(PRIORITIES.map((priority) => [priority, el("span", { class: "count-number" })]));
  const counts = el("div", { class: "counts", role: "group", "aria-label": say("header.counts") });
  const boxes = PRIORITIES.map((priority) => {
    const symbol = el("span", { class: "count-symbol", "aria-hidden": "true", text: say(`symbol.${priority}`) });
    return el("span", { class: "count", "data-priority": priority }, symbol, numbers[priority], el("span", { class: "count-word", text: say(`header.${priority}`) }));
  });
  counts.append(...boxes);
  const chips = el("nav", { class: "chips", "aria-label": say("header.alarms") });
  const more = el("span", { class: "chips-more" });
  const kept = new Map();
  const time = el("span", { class: "clock", "aria-label": say("header.clock") });
  const beds = el("a", { class: "beds", href: "#/" });
  const paused = el("span", { class: "audio-paused" });
  const person = el("button", { class: "plain", type: "button", onclick: () => (ward.me.signed_in ? signOut() : signIn()) });
  const settings = el("button", { class: "plain", type: "button", onclick: screen }, say("header.settings"));
  const onDuty = el("button", { class: "plain", type: "button", "data-do": "duty", onclick: duty });
  const looks = el("nav", { class: "looks", "aria-label": say("header.looks") }, el("a", { class: "plain", href: "#/handover", text: say("look.handover") }), el("a", { class: "plain", href: "#/audit", text: say("look.audit") }));
  const list = el("div", { class: "chips-box" }, chips, more);
  const node = el("header", { class: "head" }, counts, list, paused, el("div", { class: "head-end" }, looks, beds, onDuty, person, settings, time));

  return {
    node,
    update() {
      const found = ward.counts();
      PRIORITIES.forEach((priority, at) => {
        put(numbers[priority], String(found[priority]));
        mark(boxes[at], "data-none", found[priority] === 0 ? "" : null);
      });
      const alarmed = ward.ordered().filter((bed) => headline(bed)).sort((a, b) => urgency(b) - urgency(a));
      match(chips, alarmed.slice(0, CHIPS), (bed) => bed.key, chip, kept);
      put(more, alarmed.length > CHIPS ? say("header.more", { count: alarmed.length - CHIPS }) : "");
      put(time, timeKnown() ? clock(stationNow(), true) : say("header.noTime"));
      put(beds, ward.beds.size === 1 ? say("header.oneBed") : say("header.beds", { count: ward.beds.size }));
      put(paused, pausedText(ward));
      show(paused, paused.textContent !== "");
      put(onDuty, dutyWord(ward));
      show(onDuty, onDuty.textContent !== "");
      show(person, ward.known); // before, nobody knows whether there is somebody to sign out, nor what ways in there are
      put(person, ward.me.signed_in ? say("header.signOut", { person: ward.me.person?.code ?? "" }) : say("header.signIn"));
    },
  };
}

/** By priority, and of the same one what nobody has first; then what somebody has beside something that nobody has. */
function urgency(bed) {
  const told = headline(bed);
  return RANK[told.priority] * 2 + (told.signal !== "acknowledged" ? 1 : topUnanswered(bed) ? 0.5 : 0);
}

function chip() {
  const symbol = el("span", { class: "chip-symbol", role: "img" });
  const name = el("span", { class: "chip-bed" });
  const text = el("span", { class: "chip-text" });
  const other = el("span", { class: "chip-other", role: "img" });
  const node = el("a", { class: "chip" }, symbol, other, name, text);
  return {
    node,
    update(bed) {
      const alarm = headline(bed);
      mark(node, "href", addressOf(bed));
      markPriority(node, alarm.priority, alarm.signal === "acknowledged");
      put(symbol, say(`symbol.${alarm.priority}`));
      mark(symbol, "aria-label", say(`priority.${alarm.priority}`));
      const open = alarm.signal === "acknowledged" ? topUnanswered(bed) : null;
      markPriority(other, open?.priority ?? "none", open === null);
      put(other, open ? say(`symbol.${open.priority}`) : "");
      mark(other, "aria-label", open ? say("header.andNobody", { priority: say(`priority.${open.priority}`) }) : null);
      show(other, open !== null);
      put(name, bed.bed);
      put(text, partsOf(alarm)[0]);
    },
  };
}

function pausedText(ward) {
  const found = ward.ordered().map((bed) => [bed, audioPausedOf(bed)]).filter(([, seconds]) => seconds !== null);
  if (found.length === 0) return "";
  found.sort((a, b) => a[1] - b[1]);
  const text = (bed, seconds) => (ward.beds.size === 1 ? say("header.audioPaused", { left: left(seconds) }) : say("header.audioPausedAt", { bed: bed.bed, left: left(seconds) }));
  return found.slice(0, 3).map(([bed, seconds]) => text(bed, seconds)).join(" · ");
}
