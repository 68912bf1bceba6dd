/** What happened, in the words of who stands at the bed; the code and the record keep their own. */

import { YES_OR_NO } from "./instructions.js";
import { PLAIN } from "./texts.js";
import { say, term } from "./words.js";

const MEASURED = /^(nibp-sys|nibp-dia|nibp-mean|spo2|etco2|pulse|temp|hr|rr)(?=-|$)/;

/**
 * Write what a gateway says without the terms of who builds such a thing.
 * @param {unknown} text @returns {string}
 */
export function plain(text) {
  return PLAIN.reduce((said, [ours, theirs]) => said.replaceAll(ours, theirs), String(text ?? ""));
}

/**
 * Give a condition's plain title.
 * @param {string} code @returns {string}
 */
export function conditionTitle(code) {
  const metric = MEASURED.exec(code)?.[0] ?? "";
  return `${metric ? term("vital", metric) : ""}${plain(code.slice(metric.length).replaceAll("-", " "))}`.trim();
}

/** What a person assessed and measured, each by its name: `moaa-s 5, oriented 1` as "MOAA/S 5, Oriented yes". */
function entered(text) {
  return text.replace(/(^|, )([a-z][a-z0-9-]*) (-?[0-9.]+)(?=,|$)/g, (whole, before, word, value) => {
    const score = term("score", word);
    const name = score === word ? term("vital", word) : score.replace(/ \(.*\)$/, "");
    const yes = YES_OR_NO.has(word) && { 0: say("answer.no"), 1: say("answer.yes") }[value];
    return name === word && !yes ? whole : `${before}${name} ${yes || value}`;
  });
}

/** @param {string | null | undefined} by @returns {string | undefined} the screen at which nobody was signed in; none: a person. */
export function screenOf(by) {
  return /^screen-(.+)$/.exec(by ?? "")?.[1];
}

/**
 * Say who it was: a person by their code, a screen at which nobody was signed in by its name.
 * @param {string | null | undefined} by @returns {string}
 */
export function whoTitle(by) {
  const screen = screenOf(by);
  if (!screen) return by ?? "";
  return screen === "local" ? say("by.local") : say("by.screen", { screen });
}

/**
 * Write a happening to be read: its title, its code where it is of a condition, what was said, and who.
 * @param {any} one as the station tells it
 * @returns {{title: string, code: string, text: string, by: string}}
 */
export function happened(one) {
  const type = String(one.type ?? "");
  const given = String(one.title ?? type);
  const stop = type === "stop-asked";
  const by = stop && !one.by ? say("by.gateway") : whoTitle(one.by);
  const written = one.text && one.text !== given ? String(one.text) : "";
  const words = one.by ? written : plain(written); // what a person wrote stays as it was written
  const text = type === "assessed" ? entered(words) : words;
  const own = one.by ? ` (${one.by})` : "";
  const ended = / \((screen-[\w.-]+)\)$/.exec(text);
  const said = own && text.endsWith(own) ? text.slice(0, -own.length) : ended ? `${text.slice(0, ended.index)} (${whoTitle(ended[1])})` : text;
  const named = type.replaceAll("-", " ");
  const base = named.charAt(0).toUpperCase() + named.slice(1);
  const known = term("did", type);
  if (known === type || (given !== base && !given.startsWith(`${base}: `))) return { title: plain(given), code: "", text: said, by };
  const about = given.slice(base.length + 2);
  const code = about && about === one.code ? about : "";
  const what = code ? conditionTitle(code) : type === "phase-changed" ? term("state", about) : term("do", about);
  return { title: about ? `${known}: ${what}` : known, code: what === code ? "" : code, text: said, by };
}
