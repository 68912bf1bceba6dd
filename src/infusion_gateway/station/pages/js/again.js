/** The field in which somebody shows again who they are, where being signed in is not enough. */

import { call } from "./api.js";
import { el, put, show } from "./dom.js";
import { visit } from "./provider.js";
import { say } from "./words.js";

let counted = 0;

/**
 * Make it, hidden until the station wants it: their password here, the clinic's provider, or either.
 * @param {any} me @param {HTMLElement} said where words go @param {() => void} proven called once the provider knew them
 * @returns {{node: HTMLElement, why: string, shown: () => boolean, show: () => void, prove: () => Promise<string>}}
 */
export function againField(me, said, proven) {
  const id = `again-${(counted += 1)}`;
  const provider = me?.again?.includes("openid") ? me.openid : null;
  const byPassword = !provider || me.again.includes("password");
  const input = el("input", { id, type: "password", autocomplete: "current-password", maxlength: 256 });
  const typed = byPassword ? [el("label", { for: id, text: say("form.again") }), input] : [];
  const visited = async () => {
    put(said, say("signIn.waiting"));
    const found = await visit(true);
    if (found.outcome === "again") proven();
    else put(said, say("form.failed", { reason: found.reason || say("signIn.nowhere") }));
  };
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
    /** Give the station the password, where one was typed; gives why it was refused, or "". */
    async prove() {
      const password = input.value;
      input.value = "";
      const known = password ? await call("POST", "/api/again", { password }) : { ok: true };
      return known.ok ? "" : known.error;
    },
  };
}
