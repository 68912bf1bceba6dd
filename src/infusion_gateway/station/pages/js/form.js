/** A form for any instruction, made from its arguments. */

import { againField } from "./again.js";
import { partsOf } from "./alarm.js";
import { instruct } from "./api.js";
import { el, mark, put, show } from "./dom.js";
import { BY_HAND, INSTRUCTIONS, SCORES, YES_OR_NO } from "./instructions.js";
import { tellAnswer } from "./pin.js";
import { signInButton } from "./screen.js";
import { sheet } from "./sheet.js";
import { sums } from "./sums.js";
import { say, term } from "./words.js";

const LONGEST_REASON = 500;
let counted = 0;

/**
 * Open an instruction's form.
 * @param {{bed: any, beds: any[], name: string, me: any, announce: (text: string) => void, preset?: Record<string, string>}} given
 */
export function openForm(given) {
  const { bed, name, announce } = given;
  const told = INSTRUCTIONS[name];
  const fields = told.fields.map((field) => fieldOf(field, given)).filter(Boolean);
  const said = el("p", { class: "form-said", role: "status" });
  const send = el("button", { class: "big go", type: "submit" }, say("form.send"));
  const second = bed.session?.waits_for_second === name ? say("form.second") : say("form.two");
  const notes = [name === "confirm" ? say("form.confirmOwn") : told.people === 2 ? second : ""];
  const shown = notes.filter(Boolean).map((text) => el("p", { class: "about", text }));
  const standing = name === "permit-resume" ? standingAlarms() : null;
  if (standing) shown.push(standing.node);
  standing?.update(bed);
  const signIn = () => signInButton((me) => openForm({ ...given, me }));
  const again = againField(given.me, said, () => form.requestSubmit());
  const summed = sums(told.fields.map((field) => field.name), () => typedIn(fields));
  const entries = [...fields.map((field) => field.node), ...(summed ? [summed.node] : []), again.node, send];
  const asked = given.me?.signed_in ? [...entries, said] : [el("p", { class: "about", text: say("form.signInFirst") }), signIn()];
  const form = el("form", { class: "fields", novalidate: true }, ...shown, ...asked);
  sheet({ title: say(`do.${name}`), about: say(`about.${name}`), bed, content: [form], announce, follow: standing?.update });
  const tell = (text, outcome) => {
    put(said, text);
    mark(said, "data-outcome", outcome);
    said.scrollIntoView({ block: "nearest" });
  };
  form.addEventListener("input", () => summed?.update());
  form.addEventListener("change", () => summed?.tell());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const args = {};
    for (const field of fields) {
      const wrong = field.read(args);
      if (wrong) {
        field.focus();
        return tell(wrong, "refused");
      }
    }
    mark(send, "disabled", "");
    tell(say("form.sending"), null);
    const answer = await putTo(bed, name, args, again);
    mark(send, "disabled", null);
    if (!answer) return tell(again.why, null);
    tellAnswer(said, answer, announce);
    if (answer.status === 401) send.replaceWith(signIn()); // signed in no more
    if (answer.outcome === "accepted" || answer.outcome === "not-recorded") {
      const entered = told.people === 2 ? null : enteredOf(fields); // the second person must not see it
      for (const node of entries) node.remove();
      if (entered) said.before(entered);
    }
    return said.scrollIntoView({ block: "nearest" });
  });
}

/** What can be read of what stands in the fields, as it would be sent. */
function typedIn(fields) {
  const args = {};
  for (const field of fields) field.read(args);
  return args;
}

/** What was sent, to be read and not to be sent a second time. */
function enteredOf(fields) {
  const rows = fields.flatMap((field) => field.told()).filter(([, text]) => text);
  return el("dl", { class: "facts form-entered" }, ...rows.flatMap(([label, text]) => [el("dt", { text: label }), el("dd", { text })]));
}

/** The alarms that stand at a bed, as they come and go: who lets it go on must see them. */
function standingAlarms() {
  const node = el("ul", { class: "form-standing", "aria-live": "polite" });
  return {
    node,
    update(bed) {
      const rows = (bed.alarms ?? []).map((alarm) => [alarm.priority, say("stands.alarm", { priority: term("stands", alarm.priority), what: partsOf(alarm)[0] })]);
      if (bed.more > 0) rows.push(["low", say("alarm.moreLong", { count: bed.more })]);
      if (bed.link !== "live") rows.unshift(["high", say("stands.unheard")]);
      else if (rows.length === 0) rows.push(["none", say("stands.none")]);
      const text = JSON.stringify(rows);
      if (node.dataset.text === text) return;
      node.dataset.text = text;
      node.replaceChildren(...rows.map(([priority, what]) => el("li", { "data-priority": priority, text: what })));
    },
  };
}

/** Put it to the bed; where the station wants to know anew who it is, show how and give null. */
async function putTo(bed, name, args, again) {
  const refused = await again.prove();
  if (refused) return { outcome: "failed", reason: refused };
  // what was begun for one patient is nobody else's, whoever has come to this bed meanwhile; a stop asks for no case
  const meant = name === "order" || name === "stop" ? undefined : (bed.session?.case ?? "");
  const answer = await instruct(bed, name, args, undefined, undefined, meant);
  if (answer.field !== "again" || again.shown()) return answer;
  again.show();
  return null;
}

function fieldOf(field, given) {
  if (field.kind === "scores") return many(field, Object.entries(SCORES).map(([name, max]) => ({ name, label: term("score", name), unit: "", min: 0, max, hint: YES_OR_NO.has(name) ? "" : say(`hint.${name}`), asked: YES_OR_NO.has(name) })));
  if (field.kind === "vitals") return many(field, Object.entries(BY_HAND).map(([name, [unit, min, max]]) => ({ name, label: term("vital", name), unit, min, max })));
  if (field.kind === "number" || field.kind === "minutes") return quantity(field);
  const choices = choicesOf(field, given);
  if (choices?.length) return chosen(field, choices, given.preset?.[field.name]);
  return written(field, given.preset?.[field.name]);
}

function choicesOf(field, { bed, beds }) {
  if (field.kind === "protocol") return (bed.protocols ?? []).map((protocol) => [protocol.name ?? protocol, protocol.title ?? protocol.name ?? protocol]);
  if (field.kind === "alarm") return (bed.alarms ?? []).map((alarm) => [alarm.code, alarm.text || alarm.code, alarm.instance]);
  if (field.kind === "bed") return beds.filter((other) => other.gateway === bed.gateway && other.bed !== bed.bed).map((other) => [other.bed, other.bed]);
  if (field.kind === "what") return [["concentration-was-wrong", say("what.concentration-was-wrong")]];
  if (field.kind === "condition") {
    const codes = (bed.protocols ?? []).flatMap((protocol) => protocol.conditions ?? []).map((condition) => condition.code);
    return [...new Set(codes)].map((code) => [code, code]);
  }
  return null;
}

function labelled(label, unit, input, id, required, hint = "") {
  const named = el("label", { for: id, text: label }, required ? el("span", { class: "needed", "aria-hidden": "true", text: " *" }) : null);
  const more = hint ? el("span", { class: "field-hint", id: `${id}-hint`, text: hint }) : null;
  if (more) mark(input, "aria-describedby", more.id);
  return el("div", { class: "field" }, named, el("div", { class: "field-input" }, input, unit ? el("span", { class: "field-unit", text: term("unit", unit) }) : null), more);
}

function withUnit(text, unit) {
  return text && unit ? `${text} ${term("unit", unit)}` : text;
}

function numberOf(text) {
  const clean = text.trim().replace(",", ".");
  return /^-?\d+(\.\d+)?$/.test(clean) ? Number(clean) : NaN;
}

function judged(label, text, field) {
  const value = numberOf(text);
  if (Number.isNaN(value)) return { wrong: say("form.number", { field: label }) };
  if (value < field.min || value > field.max) return { wrong: say("form.range", { field: label, min: field.min, max: field.max }) };
  return { value };
}

function quantity(field) {
  const id = `field-${(counted += 1)}`;
  const label = term("field", field.name);
  const input = el("input", { id, type: "text", inputmode: "decimal", autocomplete: "off", name: field.name, value: field.preset ?? null, "aria-required": String(Boolean(field.required)) });
  return {
    node: labelled(label, field.unit, input, id, field.required),
    focus: () => input.focus(),
    told: () => [[label, withUnit(input.value.trim(), field.unit)]],
    read(args) {
      if (!input.value.trim()) return field.required ? say("form.missing", { field: label }) : "";
      const { wrong, value } = judged(label, input.value, field);
      if (wrong) return wrong;
      args[field.name] = field.kind === "minutes" ? value * 60 : value;
      return "";
    },
  };
}

function written(field, preset) {
  const id = `field-${(counted += 1)}`;
  const label = term("field", field.name);
  const long = field.kind === "text";
  const input = el(long ? "textarea" : "input", { id, name: field.name, autocomplete: "off", maxlength: long ? LONGEST_REASON : 64, rows: long ? 2 : null, "aria-required": String(Boolean(field.required)) });
  if (preset) input.value = preset;
  return {
    node: labelled(label, "", input, id, field.required),
    focus: () => input.focus(),
    told: () => [[label, input.value.trim()]],
    read(args) {
      const value = input.value.trim();
      if (!value && field.required) return say("form.missing", { field: label });
      if (value || field.empty) args[field.name] = value;
      return "";
    },
  };
}

function chosen(field, choices, preset) {
  const id = `field-${(counted += 1)}`;
  const label = term("field", field.name);
  const input = el("select", { id, name: field.name }, ...choices.map(([value, text], at) => el("option", { value: at, selected: value === preset, text })));
  return {
    node: labelled(label, "", input, id, field.required),
    focus: () => input.focus(),
    told: () => [[label, input.selectedOptions[0]?.textContent ?? ""]],
    read(args) {
      const [value, , instance] = choices[Number(input.value)] ?? choices[0];
      args[field.name] = value;
      if (instance !== undefined) args.instance = String(instance);
      return "";
    },
  };
}

function many(field, parts) {
  const inputs = parts.map((part) => {
    const id = `field-${(counted += 1)}`;
    return { part, id, input: part.asked ? yesOrNo(id, part.name) : el("input", { id, type: "text", inputmode: "decimal", autocomplete: "off", name: part.name }) };
  });
  const node = el("fieldset", {}, el("legend", { text: term("field", field.name) }), ...inputs.map(({ part, id, input }) => labelled(part.label, part.unit, input, id, false, part.hint)));
  let wrongOne = inputs[0].input;
  return {
    node,
    focus: () => wrongOne.focus(),
    told: () => inputs.map(({ part, input }) => [part.label, input.value && part.asked ? input.selectedOptions[0].textContent : withUnit(input.value.trim(), part.unit)]),
    read(args) {
      const found = {};
      for (const { part, input } of inputs) {
        if (!input.value.trim()) continue;
        const { wrong, value } = judged(part.label, input.value, part);
        wrongOne = input;
        mark(input, "aria-invalid", wrong ? "true" : null);
        if (wrong) return wrong;
        found[part.name] = value;
      }
      args[field.name] = found;
      const nothing = Object.keys(args.scores ?? {}).length + Object.keys(args.vitals ?? {}).length === 0;
      return field.name === "vitals" && nothing ? say("form.nothing") : "";
    },
  };
}

/** A question that is answered yes, no, or not at all. */
function yesOrNo(id, name) {
  return el("select", { id, name }, el("option", { value: "", text: say("answer.none") }), el("option", { value: "1", text: say("answer.yes") }), el("option", { value: "0", text: say("answer.no") }));
}
