/** Signing in and out, and what this screen is: colours, room, sound. */

import { againField } from "./again.js";
import { call, useToken } from "./api.js";
import { el, mark, put } from "./dom.js";
import { lead, openWindow, visit } from "./provider.js";
import { closeSheet, sheet } from "./sheet.js";
import { say, term } from "./words.js";

const CHOICES = { theme: ["dark", "light"], palette: ["usual", "okabe-ito"], profile: ["nurses", "chair", "wall", "phone"] };
const NARROW = 600;
let counted = 0;

/** @param {string} name @returns {string} what was chosen at this screen, or what fits it. */
export function chosen(name) {
  const found = localStorage.getItem(name) ?? "";
  if (CHOICES[name].includes(found)) return found;
  return name === "profile" && globalThis.innerWidth < NARROW ? "phone" : CHOICES[name][0];
}

/**
 * Dress the page as this screen wants it.
 * @param {any} me
 */
export function dress(me) {
  for (const name of Object.keys(CHOICES)) mark(document.documentElement, `data-${name}`, name === "profile" ? profileOf(me) : chosen(name));
}

/** @param {any} me @returns {string} the room: an enrolled screen's own, else as chosen here. */
export function profileOf(me) {
  const own = me.screen?.profile;
  return CHOICES.profile.includes(own) ? own : chosen("profile");
}

/**
 * Learn who is signed in and what screen this is.
 * @param {any} ward
 */
export async function learn(ward) {
  const answer = await call("GET", "/api/me");
  if (answer.ok && answer.body) {
    ward.me = answer.body;
    ward.known = true;
    useToken(String(answer.body.csrf ?? ""));
  }
  dress(ward.me);
}

function field(label, input) {
  const id = `screen-${(counted += 1)}`;
  mark(input, "id", id);
  return el("div", { class: "field" }, el("label", { for: id, text: label }), input);
}

let signIn = () => undefined;

/**
 * Say how a button anywhere on the page lets somebody sign in.
 * @param {(then: (me: any) => void) => void} told
 */
export function signInBy(told) {
  signIn = told;
}

/**
 * Make a button that lets somebody sign in, where nothing else can be done before.
 * @param {(me: any) => void} [then] what is gone on with
 * @returns {HTMLElement}
 */
export function signInButton(then) {
  return el("button", { class: "big go", type: "button", "data-first": true, onclick: () => signIn(then) }, say("signIn.title"));
}

/**
 * Open the sign-in sheet.
 * @param {{ward: any, changed: () => void, announce: (text: string) => void, then?: (me: any) => void}} given
 */
export function openSignIn({ ward, changed, announce, then }) {
  const person = el("input", { name: "person", autocomplete: "username", autocapitalize: "none", spellcheck: "false", maxlength: 64 });
  const password = el("input", { name: "password", type: "password", autocomplete: "current-password", maxlength: 256 });
  const said = el("p", { class: "form-said", role: "status" });
  const hint = el("p", { class: "field-hint", id: "sign-in-hint", text: say("signIn.hint") });
  mark(person, "aria-describedby", hint.id);
  const form = el("form", { class: "fields" }, field(say("signIn.person"), person), hint, field(say("signIn.password"), password), el("button", { class: "big go", type: "submit" }, say("signIn.go")), said);
  const ended = async (why) => {
    if (why) {
      mark(said, "data-outcome", "refused");
      put(said, say("signIn.failed", { reason: why }));
      said.scrollIntoView({ block: "nearest" });
      return;
    }
    await learn(ward);
    const here = said.isConnected;
    if (here) closeSheet();
    changed();
    if (here) then?.(ward.me);
  };
  const provider = ward.me.openid;
  const by = async () => {
    mark(said, "data-outcome", null);
    put(said, say("signIn.waiting"));
    const found = await visit(false);
    await ended(found.outcome === "signed-in" ? "" : found.reason || say("signIn.nowhere"));
  };
  const button = provider ? el("button", { class: "big", type: "button", onclick: by }, say("signIn.by", { provider })) : null;
  sheet({ title: say("signIn.title"), about: say("signIn.nothingHidden"), content: [form, button].filter(Boolean), announce });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await call("POST", "/api/sign-in", { person: person.value.trim(), password: password.value });
    password.value = "";
    await ended(answer.ok ? "" : [answer.error, answer.status === 401 ? say("signIn.hint") : ""].filter(Boolean).join(". "));
  });
}

/**
 * Sign out; everything stays in sight.
 * @param {{ward: any, changed: () => void}} given
 */
export async function signOut({ ward, changed }) {
  const view = ward.me.again?.includes("openid") ? openWindow() : null;
  const answer = await call("POST", "/api/sign-out", {});
  lead(view, answer.body?.leave);
  closeSheet();
  await learn(ward);
  changed();
}

/**
 * Open the sheet of this screen's own settings.
 * @param {{ward: any, sound: any, changed: () => void, announce: (text: string) => void, hear: () => void}} given
 */
export function openScreen({ ward, changed, announce, hear }) {
  const selects = Object.entries(CHOICES)
    .filter(([name]) => name !== "profile" || !ward.me.screen)
    .map(([name, values]) => {
      const input = el("select", { name }, ...values.map((value) => el("option", { value, selected: value === chosen(name), text: term(`screen.${name}`, value) })));
      input.addEventListener("change", () => {
        localStorage.setItem(name, input.value);
        dress(ward.me);
        changed();
      });
      return field(say(`screen.${name}`), input);
    });
  const enrolled = ward.me.screen ? el("p", { class: "about", text: say("screen.enrolled", { name: ward.me.screen.name }) }) : null;
  const test = el("button", { class: "big", type: "button", onclick: hear }, say("screen.testSound"));
  const version = el("p", { class: "about", text: say("screen.version", { station: ward.me.station ?? ward.station, version: ward.me.version ?? "" }) });
  const only = el("p", { class: "about", text: say("page.notPrimary") });
  const looks = el("p", { class: "looks-too" }, el("a", { href: "#/handover", text: say("look.handover") }), " · ", el("a", { href: "#/audit", text: say("look.audit") }));
  const content = [looks, el("div", { class: "fields" }, ...selects), enrolled, test, ward.me.person?.role === "supervisor" ? enrolForm(ward) : null, version, only];
  sheet({ title: say("screen.title"), content: content.filter(Boolean), announce });
}

function enrolForm(ward) {
  const name = el("input", { name: "name", autocomplete: "off", maxlength: 64 });
  const beds = ward.ordered().map((one) => el("option", { value: one.key, text: one.key }));
  const bed = el("select", { name: "bed" }, el("option", { value: "", text: say("screen.noBed") }), ...beds);
  const room = el("select", { name: "profile" }, ...[...CHOICES.profile, "call"].map((value) => el("option", { value, text: term("screen.profile", value) })));
  const said = el("p", { class: "form-said", role: "status" });
  const again = againField(ward.me, said, () => form.requestSubmit());
  const form = el("form", { class: "fields" }, field(say("screen.enrolName"), name), field(say("screen.profile"), room), field(say("screen.enrolBed"), bed), again.node, el("button", { class: "big", type: "submit" }, say("screen.enrol")), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const refused = await again.prove();
    if (refused) return put(said, say("form.failed", { reason: refused }));
    const answer = await call("POST", "/api/enrol", { name: name.value.trim(), profile: room.value, ...(bed.value ? { bed: bed.value } : {}) });
    if (answer.field === "again" && !again.shown()) {
      again.show();
      return put(said, again.why);
    }
    put(said, answer.ok ? say("screen.enrolled.now") : say("form.failed", { reason: answer.error }));
    if (answer.ok) await learn(ward);
    if (answer.ok && room.value === "call") location.replace("/call");
    return undefined;
  });
  return form;
}

/**
 * Open the sheet of the audible self-test: the sounds, and whether somebody heard them.
 * @param {{sound: any, changed: () => void, announce: (text: string) => void}} given
 */
export function openSoundTest({ sound, changed, announce }) {
  const answer = (yes) => () => {
    sound.answer(yes);
    closeSheet();
    changed();
  };
  const yes = el("button", { class: "big go", type: "button", "data-first": true, onclick: answer(true) }, say("sound.yes"));
  const no = el("button", { class: "big", type: "button", onclick: answer(false) }, say("sound.no"));
  const again = el("button", { class: "big", type: "button", onclick: () => sound.test() }, say("sound.again"));
  sheet({ title: say("screen.testSound"), about: say("sound.test"), content: [el("p", { text: say("sound.heard") }), yes, no, again], announce });
  sound.test();
}
