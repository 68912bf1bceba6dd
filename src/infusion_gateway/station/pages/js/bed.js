/** A bed's own page: everything of it, its trends, its log, and every instruction. */

import { alarmList } from "./alarm.js";
import { charts } from "./charts.js";
import { age, clock, left, number, stationNow, until } from "./clock.js";
import { el, mark, put, show } from "./dom.js";
import { openForm } from "./form.js";
import { GROUPS, INSTRUCTIONS, applies } from "./instructions.js";
import { logOf } from "./log.js";
import { askPerson } from "./pin.js";
import { ring } from "./ring.js";
import { audioPausedOf, digitsOf, stateOf, stoppedOf } from "./state.js";
import { stopButton } from "./stop.js";
import { dose, linkNotice, supervision } from "./tile.js";
import { numeric } from "./vitals.js";
import { say, term } from "./words.js";

const PAUSES_S = [60, 120];
const WITHOUT_FORM = new Set(["stop", "acknowledge", "pause-audio", "hold-off"]);
const TRENDS_EVERY_MS = 1000;
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/**
 * Make a bed's page.
 * @param {{ward: any, trends: any, announce: (text: string) => void, key: string}} given
 * @returns {{node: Element, update: () => void, one: (key: string) => void, gone: () => void, fit: () => void}}
 */
export function bedPage(given) {
  const { ward, trends, announce, key } = given;
  const bedNow = () => ward.beds.get(key) ?? null;
  const person = (name, args, about) => askPerson({ bed: bedNow(), name, args, about, signedIn: ward.me.signed_in, announce });
  const act = (alarm, what) => {
    const args = { code: alarm.code, instance: String(alarm.instance) };
    if (what === "acknowledge") person(what, args, alarm.text || alarm.code);
    else if (ward.me.signed_in) openForm({ bed: bedNow(), beds: ward.ordered(), name: what, me: ward.me, announce, preset: { code: alarm.code } });
    else person(what, { ...args, reason: say("alarm.heldReason") }, alarm.text || alarm.code);
  };
  const gone = el("p", { class: "nothing-what", hidden: true, text: say("bed.gone") });
  const back = el("a", { class: "back", href: "#/", "aria-label": say("bed.backLabel") }, "‹", el("span", { class: "back-words", text: ` ${say("bed.backLabel")}` }));
  const name = el("h1", { class: "bed-name" });
  const state = el("span", { class: "tile-state" });
  const mode = el("span", { class: "tile-mode" });
  const which = el("span", { class: "bed-case" });
  const stop = stopButton(announce);
  const link = linkNotice();
  const watched = supervision();
  const time = ring();
  const doses = dose();
  const notes = el("ul", { class: "bed-notes" });
  const alarms = alarmList(act);
  const numerics = ["spo2", "hr", "rr", "nibp", "etco2", "temp"].map((metric) => numeric(metric, true));
  const trend = charts();
  const log = logOf();
  const audio = audioPanel(person);
  const order = orderPanel();
  const devices = devicePanel(ward);
  const acts = actsPanel((what) => openForm({ bed: bedNow(), beds: ward.ordered(), name: what, me: ward.me, announce }));
  const strip = el("div", { class: "bed-strip" }, back, el("div", { class: "bed-who" }, name, state), stop.node);
  const stopped = el("span", { class: "bed-stopped" });
  const under = el("div", { class: "bed-more" }, stopped, which, mode, watched.node);
  const now = el("section", { class: "panel now" }, el("div", { class: "tile-main" }, time.node, doses.node), notes);
  const vitals = el("section", { class: "panel", "aria-label": say("bed.vitals") }, el("h2", { text: say("bed.vitals") }), el("div", { class: "bed-vitals" }, ...numerics.map((part) => part.node)));
  const side = el("div", { class: "bed-side" }, alarms.node, audio.node, now, vitals, acts.node, order.node, devices.node);
  const main = el("div", { class: "bed-main" }, trend.node, log.node);
  const whole = el("div", { class: "bed-whole" }, link.node, el("div", { class: "bed-columns" }, side, main));
  const node = el("div", { class: "bed-page tile" }, strip, under, gone, whole);
  let drawn = -Infinity;

  const update = () => {
    const bed = bedNow();
    show(gone, ward.pictured && bed === null);
    show(whole, bed !== null);
    if (!bed) return put(name, key);
    const { word, kind } = stateOf(bed);
    put(name, bed.bed);
    put(state, word);
    const by = stoppedOf(bed);
    put(stopped, by ? say(bed.session.phase === "paused" ? "stopped.paused" : "stopped.why", by) : "");
    show(stopped, by !== null);
    mark(node, "data-state", kind);
    mark(node, "data-link", ward.lost(bed) ? "lost" : "live");
    put(which, bed.session?.case ? say("bed.case", { case: bed.session.case }) : say("bed.noCase"));
    put(mode, bed.generation_mode && bed.generation_mode !== "real" ? say(`page.mode.${bed.generation_mode}`) : "");
    for (const part of [stop, time, doses, alarms, audio, acts, order, devices]) part.update(bed);
    for (const part of [link, watched, ...numerics]) part.update(bed, ward);
    notesOf(notes, bed);
    log.update(bed, ward.log.filter((one) => one.bed === bed.bed && one.gateway === bed.gateway));
    if (performance.now() - drawn > TRENDS_EVERY_MS) {
      const read = trends.of(bed);
      if (read) drawn = performance.now();
      trend.update(read, ward.log.filter((one) => one.bed === bed.bed && one.gateway === bed.gateway), stationNow() / 1000);
    }
    return undefined;
  };
  return {
    node,
    update,
    one: (changed) => changed === key && update(),
    fit: () => undefined,
    gone() {
      stop.gone();
      trend.gone();
    },
  };
}

function notesOf(list, bed) {
  const session = bed.session ?? {};
  const said = (session.case_limits ?? []).map((limit) => say("bed.caseLimit", limit));
  if (bed.bedside_alarm === "lost") said.unshift(say("alarm.bedsideLost"));
  if (session.waits_for_second) said.push(say("bed.waits", { instruction: term("do", session.waits_for_second) }));
  if (bed.missing > 0) said.push(say("bed.missing", { count: bed.missing }));
  if (session.moving_to) said.push(say("bed.moving", { bed: session.moving_to }));
  const away = until(session.away_until);
  if (away !== null && away > 0) said.push(say("bed.awayUntil", { left: left(away) }));
  const text = said.join("\n");
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.replaceChildren(...said.map((one) => el("li", { text: one })));
  show(list, said.length > 0);
}

function audioPanel(person) {
  const said = el("p", { class: "audio-said", role: "status" });
  const buttons = PAUSES_S.map((seconds) => el("button", { class: "big", type: "button", "data-do": "pause-audio", onclick: () => person("pause-audio", { for_at_most_s: seconds }, say("about.pause-audio")) }, say("bed.pauseAudio", { time: left(seconds) })));
  return {
    node: el("section", { class: "panel audio" }, ...buttons, said),
    update(bed) {
      const seconds = audioPausedOf(bed);
      put(said, seconds === null ? "" : say("bed.audioPaused", { left: left(seconds) }));
    },
  };
}

function facts(list, rows) {
  const text = JSON.stringify(rows);
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.replaceChildren(...rows.flatMap(([name, value]) => [el("dt", { text: name }), el("dd", { text: value })]));
}

function orderPanel() {
  const list = el("dl", { class: "facts" });
  const none = el("p", { class: "quiet" });
  const over = el("a", { class: "report", "data-do": "handover" });
  const report = el("a", { class: "report", target: "_blank", rel: "noopener" }, say("bed.report"));
  return {
    node: el("section", { class: "panel", "aria-label": say("bed.order") }, el("h2", { text: say("bed.order") }), none, list, el("p", { class: "order-links" }, report, over)),
    update(bed) {
      const order = bed.session?.order;
      const held = bed.session?.case;
      show(report, Boolean(held));
      mark(report, "href", held ? `/report/${encodeURIComponent(bed.gateway)}/${encodeURIComponent(held)}?zone=${encodeURIComponent(ZONE)}` : null);
      put(over, say("handover.ofBed", { bed: bed.bed }));
      mark(over, "href", `#/handover/${encodeURIComponent(bed.gateway)}/${encodeURIComponent(bed.bed)}`);
      put(none, whyNoOrder(bed.session));
      show(none, !order);
      const rows = !order
        ? []
        : [
            [say("order.drug"), bed.protocols.find((one) => one.name === order.protocol)?.drug ?? say("vital.none")],
            [say("order.protocol"), order.protocol],
            [say("order.weight"), `${number(order.weight_kg, 1)} ${say("unit.kg")}`],
            [say("order.concentration"), `${number(order.concentration_mg_ml, 2)} ${say("unit.mg/mL")}`],
            [say("order.dose"), `${number(order.dose_mg, digitsOf(order.dose_mg))} ${say("unit.mg")} (${say("dose.perKg", { value: number(order.dose_mg_per_kg, 2) })})`],
            [say("order.rate"), `${number(order.rate_ml_h, 1)} ${say("unit.mL/h")}`],
            [say("order.volume"), `${number(order.volume_ml, digitsOf(order.dose_mg))} ${say("unit.mL")}`],
            [say("order.duration"), `${number(order.duration_s / 60, order.duration_s % 60 ? 1 : 0)} ${say("unit.min")}`],
          ];
      if (order && bed.session.t0) rows.push([say("order.t0"), clock(bed.session.t0, true)]);
      facts(list, rows);
    },
  };
}

function whyNoOrder(session) {
  if (session?.phase === "ordered") return say("order.waits");
  return ["idle", "closed", "aborted"].includes(session?.phase) ? say("order.none") : say("order.unknown");
}

function devicePanel(ward) {
  const list = el("dl", { class: "facts" });
  return {
    node: el("section", { class: "panel", "aria-label": say("bed.devices") }, el("h2", { text: say("bed.devices") }), list),
    update(bed) {
      const rows = (bed.devices ?? []).map((device) => {
        const said = [term("device", device.link)];
        if (device.delivery) said.push(say("device.delivery", { delivery: device.delivery }));
        if (device.dead_man_s !== null && device.dead_man_s !== undefined) said.push(device.dead_man_s > 0 ? say("device.deadMan", { seconds: device.dead_man_s }) : say("device.noDeadMan"));
        if (device.alarms?.length) said.push(device.alarms.join(", "));
        if (device.fault) said.push(device.fault);
        if (Number.isFinite(device.age_s) && device.link !== "up") said.push(age(device.age_s));
        return [device.device, said.join(" · ")];
      });
      for (const button of ward.calls.filter((one) => one.key === bed.key)) {
        rows.push([say("device.call", { screen: button.screen }), button.alive ? say("device.up") : `${say("device.down")} ${button.age_s === null ? "" : age(button.age_s)}`.trim()]);
      }
      facts(list, rows);
    },
  };
}

/** What can apply as the bed stands; the rest behind one button, and nothing is taken away. */
function actsPanel(open) {
  const groups = GROUPS.map((group) => {
    const names = Object.entries(INSTRUCTIONS).filter(([name, told]) => told.group === group && !WITHOUT_FORM.has(name)).map(([name]) => name);
    const buttons = names.map((name) => el("button", { class: "act", type: "button", "data-do": name, onclick: () => open(name) }, say(`do.${name}`)));
    const node = el("div", { class: "acts-group", role: "group", "aria-label": say(`group.${group}`) }, el("h3", { text: say(`group.${group}`) }), el("div", { class: "acts" }, ...buttons));
    return { node, buttons };
  });
  const buttons = groups.flatMap((group) => group.buttons);
  let whole = false;
  let bed = null;
  const more = el("button", { class: "act acts-more", type: "button", "aria-expanded": "false" });
  const update = (next) => {
    bed = next;
    const can = new Set(buttons.filter((button) => applies(button.dataset.do, bed)));
    for (const button of buttons) show(button, whole || can.has(button) || button === document.activeElement);
    for (const group of groups) show(group.node, group.buttons.some((button) => !button.hidden));
    show(more, can.size < buttons.length);
    put(more, whole ? say("bed.fewerActs") : say("bed.moreActs", { count: buttons.length - can.size }));
    mark(more, "aria-expanded", String(whole));
  };
  more.addEventListener("click", () => {
    whole = !whole;
    update(bed);
  });
  return { node: el("section", { class: "panel", "aria-label": say("bed.actions") }, el("h2", { text: say("bed.actions") }), ...groups.map((group) => group.node), more), update };
}
