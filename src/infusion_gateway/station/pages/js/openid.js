/** What the identity provider's window comes back to: tells the page how it has ended, and closes itself. */

import { call } from "./api.js";
import { el, mark } from "./dom.js";
import { CHANNEL } from "./provider.js";
import { say } from "./words.js";

const CLOSE_MS = 150;
const STAY_MS = 700;

mark(document.documentElement, "data-theme", localStorage.getItem("theme") === "light" ? "light" : "dark");
document.title = say("openid.title");

const answer = await call("GET", "/api/openid");
const outcome = answer.ok ? (answer.body?.outcome ?? "nothing") : "refused";
const reason = answer.ok ? String(answer.body?.reason ?? "") : answer.error;
const channel = new BroadcastChannel(CHANNEL);
channel.postMessage({ outcome, reason });

const text = outcome === "refused" ? say("signIn.failed", { reason }) : say("openid.done");
const said = el("p", { class: "form-said", role: "status", "data-outcome": outcome === "refused" ? "refused" : "accepted", text });
document.getElementById("main").append(el("div", { class: "sheet" }, said, el("a", { href: "/", text: say("openid.back") })));

setTimeout(() => window.close(), CLOSE_MS);
// A window that could not be closed must not stand before the beds; why somebody was refused stays to be read.
if (outcome !== "refused") setTimeout(() => location.replace("/"), STAY_MS);
