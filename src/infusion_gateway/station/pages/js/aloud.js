/** What a nurse would say aloud of a bed: how it stands, how far it came, who stopped it and why, and the vital signs. */

import { age, clock, left } from "./clock.js";
import { el, mark, match, put, show } from "./dom.js";
import { leftOf, stateOf } from "./state.js";
import { happened } from "./told.js";
import { reading } from "./vitals.js";
import { say, term } from "./words.js";

const SAID = ["spo2", "hr", "rr", "nibp", "etco2", "temp"];
const HALTED = new Set(["paused", "completed", "stopped", "recovery", "aborted"]);
/** Of the stops since it last ran so many are told, the first first: a pause, and what ended it then. */
const STOPS = 3;

/**
 * Make the words that a bed's handover begins with.
 * @param {any} ward
 * @returns {{node: Element, update: (bed: any, told: any) => void}}
 */
export function aloud(ward) {
  const kept = new Map();
  const course = el("p", { class: "look-course" });
  const stops = el("ul", { class: "look-stops" });
  const vitals = el("ul", { class: "look-vitals", "aria-label": say("bed.vitals") });
  return {
    node: el("div", { class: "look-aloud" }, course, stops, vitals),
    update(bed, told) {
      put(course, courseOf(bed));
      show(course, course.textContent !== "");
      const halted = HALTED.has(bed.session?.phase) && bed.session?.order;
      const found = halted ? stopsOf(told, bed.stop) : [];
      const rows = halted && found.length === 0 ? [say("aloud.stopUnknown")] : found;
      if (stops.dataset.text !== rows.join("\n")) {
        stops.dataset.text = rows.join("\n");
        stops.replaceChildren(...rows.map((text) => el("li", { text })));
      }
      show(stops, rows.length > 0);
      const values = SAID.map((metric) => [metric, reading(bed, ward, metric)]).filter(([, one]) => one !== null);
      match(vitals, values, ([metric]) => metric, vital, kept);
    },
  };
}

function courseOf(bed) {
  const rest = leftOf(bed);
  const word = stateOf(bed).word;
  if (bed.session?.phase !== "infusing" || rest.seconds === null) return word;
  const time = rest.seconds < 0 ? say("aloud.over", { time: left(-rest.seconds) }) : say("aloud.left", { left: left(rest.seconds), clock: clock(rest.ends) });
  return `${word}, ${time}`;
}

/** Who asked the pump to stop since it last ran, when and why; else what the station knows of it; else when it was seen. */
function stopsOf(told, newest) {
  const hour = told?.hour ?? [];
  const ran = hour.findLastIndex((one) => one.type === "phase-changed" && String(one.title).endsWith(": infusing"));
  const since = hour.slice(ran + 1);
  const asked = since.filter((one) => one.type === "stop-asked");
  const seen = since.filter((one) => one.type === "phase-changed" && /: (paused|completed|stopped|aborted)$/.test(one.title));
  const known = newest ? [{ type: "stop-asked", title: "Stop asked", at: newest.at, by: newest.by, text: newest.reason }] : seen.slice(0, 1);
  return (asked.length > 0 ? asked : known).slice(0, STOPS).map((one) => {
    const { by, text, title } = happened(one);
    return say("aloud.stop", { clock: clock(one.at), what: [title, by && by === one.by ? say("aloud.by", { person: by }) : by].filter(Boolean).join(" "), why: text }).replace(/: $/, "");
  });
}

function vital([metric]) {
  const name = el("span", { class: "vital-name", text: term("vital", metric) });
  const value = el("b");
  const old = el("span", { class: "look-by" });
  const node = el("li", { "data-metric": metric }, name, " ", value, " ", old);
  return {
    node,
    update([, one]) {
      mark(node, "data-stale", one.stale ? "" : null);
      put(value, one.valid ? `${one.text}${one.mean ?? ""} ${term("unit", one.unit)}` : say("vital.invalid"));
      const since = say(one.age_at_least ? "vital.ageAtLeast" : "vital.age", { age: age(one.age) });
      const aged = one.valid ? say(one.stale ? "aloud.old" : "aloud.age", { age: since }) : say("vital.noReading", { age: since });
      put(old, [aged, one.by_hand ? say("vital.byHand") : "", one.validity === "questionable" ? say("vital.questionable") : ""].filter(Boolean).join(", "));
    },
  };
}
