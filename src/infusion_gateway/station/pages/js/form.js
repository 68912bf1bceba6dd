/** A form for any instruction, made from its arguments. */

import { call, instruct } from "./api.js";
import { el, mark, put, show } from "./dom.js";
import { BY_HAND, INSTRUCTIONS, SCORES } from "./instructions.js";
import { tellAnswer } from "./pin.js";
import { visit } from "./provider.js";
import { sheet } from "./sheet.js";
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
  const notes = [told.people === 2 ? say("form.two") : "", name === "confirm" ? say("form.confirmOwn") : "", given.me?.signed_in ? "" : say("form.signInFirst")];
  const shown = notes.filter(Boolean).map((text) => el("p", { class: "about", text }));
  const again = againField(given.me, async () => {
    put(said, say("signIn.waiting"));
    const found = await visit(true);
    if (found.outcome === "again") form.requestSubmit();
    else put(said, say("form.failed", { reason: found.reason || say("signIn.nowhere") }));
  });
  const form = el("form", { class: "fields", novalidate: true }, ...shown, ...fields.map((field) => field.node), again.node, send, said);
  sheet({ title: say(`do.${name}`), about: say(`about.${name}`), bed, content: [form], announce });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const args = {};
    for (const field of fields) {
      const wrong = field.read(args);
      if (wrong) {
        put(said, wrong);
        mark(said, "data-outcome", "refused");
        field.focus();
        return;
      }
    }
    mark(send, "disabled", "");
    put(said, say("form.sending"));
    const answer = await putTo(bed, name, args, again);
    mark(send, "disabled", null);
    if (!answer) return put(said, again.why);
    tellAnswer(said, answer, announce);
    if (told.people === 2 && answer.outcome === "accepted") for (const node of [...fields.map((field) => field.node), again.node, send]) node.remove(); // the second must not see it
  });
}

/** Put it to the bed; where the station wants to know anew who it is, show how and give null. */
async function putTo(bed, name, args, again) {
  const password = again.take();
  if (password) {
    const known = await call("POST", "/api/again", { password });
    if (!known.ok) return { outcome: "failed", reason: known.error };
  }
  // what was begun for one patient is nobody else's, whoever has come to this bed meanwhile; a stop asks for no case
  const meant = name === "order" || name === "stop" ? undefined : (bed.session?.case ?? "");
  const answer = await instruct(bed, name, args, undefined, undefined, meant);
  if (answer.field !== "again" || again.shown()) return answer;
  again.show();
  return null;
}

/** How somebody shows again who they are: by their password here, at the clinic's provider, or by either. */
function againField(me, visited) {
  const id = `field-${(counted += 1)}`;
  const provider = me?.again?.includes("openid") ? me.openid : null;
  const byPassword = !provider || me.again.includes("password");
  const input = el("input", { id, type: "password", autocomplete: "current-password" });
  const typed = byPassword ? [el("label", { for: id, text: say("form.again") }), input] : [];
  const button = provider ? el("button", { class: "big", type: "button", onclick: visited }, say("form.againAt", { provider })) : null;
  const node = el("div", { class: "field", hidden: true }, ...typed, button);
  return {
    node,
    why: byPassword ? say("form.againWhy") : say("form.againAtWhy", { provider }),
    shown: () => !node.hasAttribute("hidden"),
    show() {
      show(node, true);
      (byPassword ? input : button).focus();
    },
    take() {
      const given = input.value;
      input.value = "";
      return given;
    },
  };
}

function fieldOf(field, given) {
  if (field.kind === "scores") return many(field, Object.entries(SCORES).map(([name, max]) => ({ name, label: term("score", name), unit: "", min: 0, max })));
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

function labelled(label, unit, input, id, required) {
  const named = el("label", { for: id, text: label }, required ? el("span", { class: "needed", "aria-hidden": "true", text: " *" }) : null);
  return el("div", { class: "field" }, named, el("div", { class: "field-input" }, input, unit ? el("span", { class: "field-unit", text: term("unit", unit) }) : null));
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
    return { part, id, input: el("input", { id, type: "text", inputmode: "decimal", autocomplete: "off", name: part.name }) };
  });
  const node = el("fieldset", {}, el("legend", { text: term("field", field.name) }), ...inputs.map(({ part, id, input }) => labelled(part.label, part.unit, input, id, false)));
  let wrongOne = inputs[0].input;
  return {
    node,
    focus: () => wrongOne.focus(),
    read(args) {
      const found = {};
      for (const { part, input } of inputs) {
        if (!input.value.trim()) continue;
        const { wrong, value } = judged(part.label, input.value, part);
        wrongOne = input;
        if (wrong) return wrong;
        found[part.name] = value;
      }
      args[field.name] = found;
      const nothing = Object.keys(args.scores ?? {}).length + Object.keys(args.vitals ?? {}).length === 0;
      return field.name === "vitals" && nothing ? say("form.nothing") : "";
    },
  };
}
