/** The alarm audit of a gateway's cases, for a day or a span of days: asked for, shown as tables, and as CSV. */

import { call } from "./api.js";
import { stationNow } from "./clock.js";
import { el, mark, put, show } from "./dom.js";
import { day } from "./handover.js";
import { signInButton } from "./screen.js";
import { say } from "./words.js";

const PATIENCE_MS = 110_000;
const AGAIN_MS = 300;
let counted = 0;

/**
 * Make the page of the audit.
 * @param {{ward: any, announce: (text: string) => void}} given
 * @returns {{node: Element, update: () => void, one: (key: string) => void, fit: () => void, gone: () => void}}
 */
export function auditPage({ ward, announce }) {
  const gateway = el("select", { name: "gateway" });
  const today = day(stationNow());
  const from = el("input", { name: "from", type: "date", value: today, required: true });
  const to = el("input", { name: "to", type: "date", value: today, required: true });
  const go = el("button", { class: "big go", type: "submit" }, say("audit.show"));
  const sheet = el("a", { class: "big look-link", "data-do": "csv", download: true, hidden: true }, say("audit.csv"));
  const print = el("button", { class: "big", type: "button", hidden: true, onclick: () => globalThis.print() }, say("look.print"));
  const who = el("p");
  const signIn = signInButton();
  const lacks = el("div", { class: "look-lacks" }, who, signIn);
  const said = el("p", { class: "form-said", role: "status" });
  const form = el("form", { class: "look-form no-print" }, field("audit.gateway", gateway), field("audit.from", from), field("audit.to", to), go, sheet, print);
  const found = el("div", { class: "look-found" });
  const back = el("a", { class: "plain no-print", href: "#/" }, say("bed.back"));
  const node = el("div", { class: "look" }, el("div", { class: "look-head" }, el("h1", { text: say("audit.title") }), back), lacks, form, said, found);
  let asked = 0;
  let may = false;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const mine = (asked += 1);
    const fromGateway = gateway.value;
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
    const query = new URLSearchParams({ gateway: gateway.value, from: from.value, to: to.value, zone }).toString();
    for (const part of [sheet, print]) show(part, false);
    found.replaceChildren();
    mark(said, "data-outcome", null);
    put(said, say("audit.working", { count: 0 }));
    let answer = await call("GET", `/api/audit?${query}`, undefined, PATIENCE_MS);
    while (answer.status === 202 && mine === asked) {
      put(said, say("audit.working", { count: Number(answer.body?.events ?? 0) }));
      await new Promise((next) => setTimeout(next, AGAIN_MS));
      answer = await call("GET", `/api/audit?${query}`, undefined, PATIENCE_MS);
    }
    if (mine !== asked) return;
    mark(said, "data-outcome", answer.ok ? null : "refused");
    const text = answer.ok ? "" : say("audit.failed", { why: answer.error });
    put(said, text);
    announce(text || say("audit.made"));
    if (!answer.ok) return;
    mark(sheet, "href", `/api/audit.csv?${query}`);
    for (const part of [sheet, print]) show(part, true);
    found.replaceChildren(...shown(answer.body, fromGateway));
  });

  /** On a shared screen, what one person looked into is not the next one's to see. */
  const clear = () => {
    asked += 1;
    found.replaceChildren();
    mark(sheet, "href", null);
    for (const part of [sheet, print]) show(part, false);
    put(said, "");
  };

  return {
    node,
    update() {
      const role = ward.me.person?.role ?? "";
      const might = may;
      may = role === "clinician" || role === "supervisor";
      if (might && !may) clear();
      put(who, may ? "" : say(role ? "audit.notYours" : "audit.signIn"));
      show(lacks, !may);
      show(signIn, role === "");
      show(form, may);
      const names = [...ward.gateways.keys()].sort();
      if (gateway.dataset.names !== names.join()) {
        gateway.dataset.names = names.join();
        gateway.replaceChildren(...names.map((name) => el("option", { value: name, text: name })));
      }
    },
    one: () => undefined,
    fit: () => undefined,
    gone() {
      asked += 1;
    },
  };
}

function field(label, input) {
  const id = `audit-${(counted += 1)}`;
  mark(input, "id", id);
  return el("div", { class: "field" }, el("label", { for: id, text: say(label) }), input);
}

/** The audit's own terms as they are read here; what a program reads has them as they are. */
function plainly(text) {
  const short = String(text).replace(/(^|, )p50$/, `$1${say("audit.median")}`).replace(/(^|, )p95$/, `$1${say("audit.within95")}`);
  return { T0: say("order.t0"), Gate: say("audit.check"), "gates passed": say("audit.checks"), "Gates of arming that were passed by name": say("audit.overridden"), "No gate was passed.": say("audit.none") }[short] ?? short;
}

/** Everything is text from the station, set as text. */
function shown(audit, gateway) {
  const banners = (audit.banners ?? []).map((text) => el("p", { class: "look-banner", text }));
  const rests = say(audit.source === "journal" ? "audit.journal" : "audit.history");
  const whole = el("p", { class: audit.complete ? "look-whole" : "look-lacks", text: `${rests} ${say(audit.complete ? "audit.complete" : "audit.notComplete")}` });
  const notes = el("ul", { class: "look-notes" }, ...(audit.notes ?? []).map((text) => el("li", { text })));
  const title = el("h2", { text: say("audit.of", { days: audit.days, zone: audit.zone }) });
  const records = audit.source === "journal" ? `/report/${encodeURIComponent(gateway)}/` : "";
  return [...banners, title, whole, notes, ...(audit.parts ?? []).map((told) => part(told, records, String(audit.zone)))];
}

function part(told, records, zone) {
  const notes = (told.notes ?? []).map((text) => el("p", { class: "quiet", text }));
  const content = told.rows?.length ? table(told, records, zone) : el("p", { class: "quiet", text: plainly(told.empty || say("audit.none")) });
  return el("section", { class: "panel look-part" }, el("h3", { text: told.title }), content, ...notes);
}

/** A case's own record is a touch away where the station can print it. */
function table(told, records, zone) {
  const linked = records !== "" && told.heads[0] === "Case";
  const first = (text) => (linked ? el("a", { href: `${records}${encodeURIComponent(text)}?zone=${encodeURIComponent(zone)}`, target: "_blank", rel: "noopener", text }) : text);
  const head = el("tr", {}, ...told.heads.map((text) => el("th", { scope: "col", text: plainly(text) })));
  const rows = told.rows.map((cells) => el("tr", {}, ...cells.map((text, at) => el(at ? "td" : "th", { scope: at ? null : "row" }, at ? text : first(linked ? text : plainly(text))))));
  const made = el("table", { class: "look-table" }, el("caption", { text: plainly(told.caption) }), el("thead", {}, head), el("tbody", {}, ...rows));
  return el("div", { class: "look-scroll", tabindex: "0", role: "region", "aria-label": plainly(told.caption) }, made);
}
