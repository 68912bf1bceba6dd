/** Who is on duty, and how telling people away from the page stands: seen by whoever sees the page, set by clinicians. */

import { call } from "./api.js";
import { clock } from "./clock.js";
import { el, mark, match, put, show } from "./dom.js";
import { sheet } from "./sheet.js";
import { say, term } from "./words.js";

const PLACES = 8;
const LINES = 20;
/** Tests whose state somebody must look into. */
const OPEN = new Set(["unanswered", "not-delivered"]);
let counted = 0;

/** @param {any} ward @returns {string} who is on duty, for the head's button; "" where nobody is told away from the page. */
export function dutyWord(ward) {
  if (!ward.notify) return "";
  const names = ward.duty.map((one) => one.person);
  return names.length === 0 ? say("duty.nobodyShort") : names.length > 2 ? say("duty.many", { count: names.length }) : say("duty.who", { names: names.join(", ") });
}

/**
 * Give the bars for what is wrong with telling people; none where all is well.
 * @param {any} ward @param {() => void} open
 * @returns {{key: string, kind: string, text: string, press: () => void}[]}
 */
export function dutyNotices(ward, open) {
  const told = ward.notify;
  if (!told) return [];
  const found = [];
  if (told.trouble) found.push({ key: "notify", kind: "high", text: say("duty.trouble", { why: "" }), why: told.trouble });
  const lost = told.undelivered ?? [];
  if (lost.length > 0) {
    const names = lost.map((one) => one.person).join(", ");
    found.push({ key: "undelivered", kind: "high", text: say("duty.undelivered", { names, clock: clock(lost[0].since), why: lost[0].why }) });
  }
  if (ward.duty.length === 0) found.push({ key: "nobody", kind: "plain", text: say("duty.nobody") });
  const silent = ward.duty.filter((one) => one.test === "unanswered").map((one) => one.person);
  if (silent.length > 0) found.push({ key: "unanswered", kind: "plain", text: say("duty.unanswered", { names: silent.join(", ") }) });
  return found.map((one) => ({ ...one, press: open }));
}

/**
 * Open the sheet: who is on duty with their tests, what did not get there, whom to put on duty, and what was told.
 * @param {{ward: any, announce: (text: string) => void}} given
 */
export async function openDuty({ ward, announce }) {
  const said = el("p", { class: "form-said", role: "status" });
  const people = el("ul", { class: "duty-people" });
  const alone = el("ul", { class: "duty-people" });
  const lines = el("ol", { class: "duty-lines", tabindex: "0", "aria-label": say("duty.lines") });
  const seen = el("button", { class: "big", type: "button", "data-do": "seen", onclick: () => void ask({ seen: true }) }, say("duty.seen"));
  const places = el("form", { class: "fields" });
  const needs = el("p", { class: "about", text: say("duty.signIn") });
  const content = [people, alone, seen, places, needs, said, el("h3", { text: say("duty.lines") }), lines];
  const kept = { people: new Map(), alone: new Map(), lines: new Map() };
  let titles = new Map();

  const ask = async (body) => {
    put(said, say("form.sending"));
    const answer = await call("POST", "/api/duty", body);
    mark(said, "data-outcome", answer.ok ? "accepted" : "refused");
    put(said, answer.ok ? say("duty.done") : say("form.failed", { reason: answer.error }));
    if (answer.ok) take(answer.body);
  };
  const take = (body) => {
    titles = new Map((body.people ?? []).map((one) => [one.code, one.title]));
    places.replaceChildren(...choices(body), el("button", { class: "big go", type: "submit" }, say("duty.set")));
    match(lines, (body.told ?? []).slice(0, LINES), (line) => `${line.at} ${line.kind} ${line.person} ${line.text}`, lineOf, kept.lines);
  };
  const paint = () => {
    const may = ward.me.signed_in && ["clinician", "supervisor"].includes(ward.me.person?.role);
    match(people, ward.duty ?? [], (one) => one.person, () => personOf(ask, titles), kept.people);
    match(alone, (ward.notify?.alone ?? []).map((name) => ({ name })), (one) => one.name, () => aloneOf(ask), kept.alone);
    show(seen, may && (ward.notify?.undelivered ?? []).length > 0);
    show(places, may);
    show(needs, !may);
    for (const list of [people, alone]) for (const button of list.querySelectorAll("button")) show(button, may && button.dataset.wanted !== "no");
  };
  places.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = [...places.querySelectorAll("select")].map((input) => input.value).filter(Boolean);
    void ask({ duty: wanted });
  });

  const opened = sheet({ title: say("duty.title"), about: say("duty.about"), content, announce });
  const end = ward.listen((name) => {
    if (!opened.node.isConnected) end();
    else if (name === "beat") paint();
  });
  paint();
  const answer = await call("GET", "/api/duty");
  if (answer.ok) take(answer.body);
  else put(said, say("form.failed", { reason: answer.error }));
  paint();
}

/** One list to choose from for each place: the first is told first. */
function choices(body) {
  const people = body.people ?? [];
  return Array.from({ length: Math.min(PLACES, people.length) }, (_, at) => {
    const id = `duty-${(counted += 1)}`;
    const options = people.map((one) => el("option", { value: one.code, selected: body.duty?.[at] === one.code, text: one.title === one.code ? one.code : `${one.title} (${one.code})` }));
    const input = el("select", { id, name: "place" }, el("option", { value: "", text: say("duty.none") }), ...options);
    return el("div", { class: "field" }, el("label", { for: id, text: say("duty.place", { place: at + 1 }) }), input);
  });
}

function personOf(ask, titles) {
  const name = el("span", { class: "duty-name" });
  const test = el("span", { class: "duty-test" });
  let code = "";
  const came = el("button", { class: "plain", type: "button", "data-do": "answered", onclick: () => void ask({ answered: code }) }, say("duty.came"));
  const again = el("button", { class: "plain", type: "button", "data-do": "test", onclick: () => void ask({ test: code }) }, say("duty.again"));
  const node = el("li", {}, name, test, came, again);
  return {
    node,
    update(one) {
      code = one.person;
      put(name, titles.get(one.person) ?? one.person);
      const at = one.tested ? clock(one.tested) : "";
      put(test, term("dutyTest", one.test) + (at ? ` (${at})` : ""));
      mark(test, "data-open", OPEN.has(one.test) ? "" : null);
      mark(came, "data-wanted", one.test === "answered" || one.test === "none" ? "no" : null);
    },
  };
}

function aloneOf(ask) {
  const text = el("span", { class: "duty-test", "data-open": true });
  let name = "";
  const have = el("button", { class: "plain", type: "button", "data-do": "have", onclick: () => void ask({ have: name }) }, say("pin.acknowledge"));
  const node = el("li", {}, text, have);
  return {
    node,
    update(one) {
      name = one.name;
      const [gateway] = one.name.split("/");
      put(text, gateway ? say("duty.notHeard", { gateway }) : say("duty.brokerLost"));
    },
  };
}

function lineOf() {
  const at = el("time", {});
  const text = el("span", {});
  const node = el("li", {}, at, text);
  return {
    node,
    update(line) {
      mark(at, "datetime", String(line.at));
      put(at, clock(line.at, true));
      put(text, [line.person, term("dutyLine", line.kind), line.text].filter(Boolean).join(" · "));
    },
  };
}
