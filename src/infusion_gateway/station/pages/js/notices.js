/** What no one may overlook: a connection that is lost, at which hop, and a screen that can't be heard. */

import { age, since } from "./clock.js";
import { el, mark, match, put } from "./dom.js";
import { dutyNotices } from "./duty.js";
import { UNDER_WAY } from "./state.js";
import { say, term } from "./words.js";

/** Kinds of bars, as they stand: where they have too little room, the last are scrolled to. */
const URGENT = ["high", "sound", "plain"];

/**
 * Make the bars under the head.
 * @param {{ward: any, sound: any, hear: () => void, duty: () => void, profile: () => string}} given
 * @returns {{node: Element, update: () => void}}
 */
export function notices({ ward, sound, hear, duty, profile }) {
  const kept = new Map();
  const node = el("div", { class: "notices", role: "alert" });
  return {
    node,
    update() {
      const found = all(ward, owed(profile(), sound.state()), hear);
      if (profile() !== "chair" && ward.lostPage() === null) found.push(...dutyNotices(ward, duty));
      found.sort((a, b) => URGENT.indexOf(a.kind) - URGENT.indexOf(b.kind));
      match(node, found, (notice) => notice.key, made, kept);
      mark(node, "tabindex", node.scrollHeight > node.clientHeight + 1 ? "0" : null); // its keys scroll it
      mark(document.documentElement, "data-lost", ward.lostPage() !== null ? "page" : ward.lostBroker() !== null ? "broker" : null);
    },
  };
}

/** A wall is not listened to; that a person heard it is asked of the screen that others rely on. */
function owed(profile, heard) {
  return profile === "wall" || (heard === "untested" && profile !== "nurses") ? "ready" : heard;
}

function all(ward, heard, hear) {
  const found = [];
  const page = ward.lostPage();
  const broker = ward.lostBroker();
  if (ward.refused) found.push({ key: "refused", kind: "high", text: say("lost.refused", { why: ward.refused }) });
  if (page !== null) found.push({ key: "page", kind: "high", text: say("lost.page", { age: age(page) }) });
  else if (broker !== null) found.push({ key: "broker", kind: "high", text: say("lost.broker", { age: age(broker), why: "" }), why: ward.broker.why });
  else if (!ward.pictured && !ward.refused) found.push({ key: "connecting", kind: "plain", text: say("lost.connecting") });
  else found.push(...gateways(ward), ...clocks(ward).slice(0, 2));
  if (heard !== "ready") found.push({ key: `sound-${heard}`, kind: "sound", text: say(`sound.${heard}`), press: heard === "failed" ? null : hear });
  return found;
}

/** Whose clocks differ so much has its moments told by the station's, but its records by its own. */
const CLOCKS_S = 2;

function clocks(ward) {
  const other = [...ward.gateways.values()].filter((gateway) => gateway.link === "live" && Math.abs(gateway.ahead_s ?? 0) > CLOCKS_S);
  return other.map((gateway) => {
    const text = say("lost.clocks", { name: gateway.name, by: age(Math.abs(gateway.ahead_s)) });
    return { key: `clock ${gateway.name}`, kind: "plain", text };
  });
}

function gateways(ward) {
  const silent = [...ward.gateways.values()].filter((gateway) => gateway.link !== "live");
  if (silent.length > 2) return [{ key: "gateways", kind: "high", text: say("lost.gateways", { count: silent.length, names: silent.map((gateway) => gateway.name).join(", ") }) }];
  return silent.map((gateway) => {
    const seconds = Number.isFinite(gateway.age_s) ? gateway.age_s + since(gateway.heard) : null;
    const text = say("lost.gateway", { name: gateway.name, link: term("link", gateway.link), age: age(seconds), why: "" });
    return { key: `gateway ${gateway.name}`, kind: "high", text, why: gateway.why ?? "" };
  });
}

function made(notice) {
  const pressed = Boolean(notice.press);
  const text = el("span");
  const why = el("span", { class: "notice-why" });
  const node = el(pressed ? "button" : "div", { class: "notice", "data-kind": notice.kind, "data-notice": notice.key, type: pressed ? "button" : null }, text, " ", why);
  if (pressed) node.addEventListener("click", notice.press);
  return {
    node,
    update(next) {
      put(text, next.text);
      put(why, next.why ?? "");
      mark(node, "title", next.why ? `${next.text} ${next.why}` : null);
    },
  };
}

/**
 * Give the priority that the page itself alarms with when it sees nothing new; null where it does.
 * @param {any} ward
 * @returns {"high" | "medium" | null}
 */
export function lostPriority(ward) {
  if (ward.lostPage() === null && ward.lostBroker() === null) return null;
  const owed = ward.ordered().some((bed) => UNDER_WAY.has(bed.session?.phase));
  return owed ? "high" : "medium";
}
