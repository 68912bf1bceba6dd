/** Puts the page together: the stream in, the head, the notices, and the wall or one bed. */

import { call, whenUnknown } from "./api.js";
import { auditPage } from "./audit.js";
import { bedPage } from "./bed.js";
import { watchCalls } from "./calls.js";
import { tell } from "./clock.js";
import { mark, put } from "./dom.js";
import { openDuty } from "./duty.js";
import { Feed } from "./feed.js";
import { handoverPage } from "./handover.js";
import { header } from "./header.js";
import { lostPriority, notices } from "./notices.js";
import { dress, learn, openScreen, openSignIn, openSoundTest, profileOf, signInBy, signOut } from "./screen.js";
import { closeSheet, updateSheet } from "./sheet.js";
import { Sound, wantedSound } from "./sound.js";
import { Trends } from "./trend.js";
import { Ward } from "./ward.js";
import { wall } from "./wall.js";
import { say } from "./words.js";

const TICK_MS = 500;
const SCROLLING = new Set(["End", "Home", "PageDown", "PageUp", "ArrowDown", "ArrowUp", " "]);
/** How often a nurses' station proves that it shows and can be heard; unheard for 10 s the chairs sound. */
const ALIVE_MS = 4000;
/** The beds wait no longer than this for who is here. */
const KNOWN_MS = 1500;
const ward = new Ward();
const trends = new Trends(ward);
const sound = new Sound();
const live = document.getElementById("announce");
const main = document.getElementById("main");

/** Say it to a screen reader, at once. */
function announce(text) {
  put(live, "");
  put(live, text);
}

const changed = () => {
  feed.restart();
  update();
};
const hear = async () => {
  await sound.begin();
  update();
  if (sound.state() !== "blocked") openSoundTest({ sound, changed: update, announce });
};
const duty = () => void openDuty({ ward, announce });
const head = header({
  ward,
  signIn: () => openSignIn({ ward, changed, announce }),
  signOut: () => signOut({ ward, changed }),
  screen: () => openScreen({ ward, changed: update, announce, hear }),
  duty,
});
signInBy((then) => openSignIn({ ward, changed, announce, then }));
const bars = notices({ ward, sound, hear, duty, profile: () => profileOf(ward.me) });
document.getElementById("head").append(head.node, bars.node);

put(document.querySelector(".skip"), say("page.skip"));

let page = null;
let learning = false;

/** Read the address: what page, and of which bed; what can't be read leads to the wall. */
function place() {
  const found = /^#\/(bed|handover|audit)(?:\/([^/]+)\/([^/]+))?$/.exec(location.hash);
  try {
    const key = found?.[2] ? `${decodeURIComponent(found[2])}/${decodeURIComponent(found[3])}` : null;
    return found && (key !== null || found[1] !== "bed") ? { name: found[1], key } : { name: "wall", key: null };
  } catch {
    return { name: "wall", key: null };
  }
}

/** Go where the address says. */
function route() {
  const { name, key } = place();
  page?.gone?.();
  closeSheet();
  if (name === "bed") page = bedPage({ ward, trends, announce, key });
  else if (name === "handover") page = handoverPage({ ward, announce, key });
  else if (name === "audit") page = auditPage({ ward, announce });
  else page = wall({ ward, trends, announce });
  mark(document.documentElement, "data-page", name);
  mark(page.node, "tabindex", "-1");
  main.replaceChildren(page.node);
  if (ward.pictured) page.node.focus({ preventScroll: true }); // its keys scroll it
  const titles = { bed: say("bed.title", { bed: key }), handover: say("look.handover"), audit: say("audit.title") };
  document.title = titles[name] ? `${titles[name]}: ${say("page.title")}` : say("page.title");
  page.fit();
  update();
}

/** Show how everything stands now. */
function update() {
  head.update();
  bars.update();
  page?.update();
  updateSheet(ward.beds, place().key);
  steady();
}

/** Sound what is to be heard now. */
function listen() {
  sound.follow(wantedSound(ward, { profile: profileOf(ward.me), lost: lostPriority(ward) }));
}

/** All that flashes flashes together: two beds out of step would look like one that flashes faster. */
function steady() {
  for (const animation of document.getAnimations()) {
    if (animation.animationName?.startsWith("flash") && animation.startTime !== 0) animation.startTime = 0;
  }
}

/** Learn who is here; where the station doesn't say so, again with its next beat. */
async function know() {
  if (learning) return;
  learning = true;
  await learn(ward);
  learning = false;
  update();
}

ward.listen((name, body) => {
  if (name === "beat") {
    tell(body.time);
    if (!ward.known) void know();
  } else if (name === "picture") trends.refresh();
  else if (name === "bed") {
    trends.carry(ward.beds.get(body.key));
    page?.one(body.key);
    head.update();
    listen();
    return;
  } else if (name === "gone") page?.fit();
  if (name !== "happening") update();
});

const feed = new Feed("/events", {
  event(name, body) {
    ward.refused = "";
    if (name === "picture") tell(body.time);
    ward.take(name, body);
  },
  refused(status) {
    ward.refused = say("error.status", { status });
    update();
  },
});
ward.feed = feed;

addEventListener("hashchange", route);
new ResizeObserver(() => page?.fit()).observe(main);
const above = document.getElementById("head");
new ResizeObserver(() => document.documentElement.style.setProperty("--head-high", `${above.offsetHeight}px`)).observe(above);
// a page scrolls as a document does: by the wheel over the head too, and by keys though nothing has the focus
above.addEventListener("wheel", (event) => page?.node.scrollBy(0, event.deltaY), { passive: true });
addEventListener("keydown", (event) => SCROLLING.has(event.key) && document.activeElement === document.body && page?.node.focus({ preventScroll: true }));
// once a finger is lifted: sound takes its bar away, and nothing moves from under a finger
for (const name of ["pointerup", "keydown"]) addEventListener(name, () => void sound.begin(), { passive: true });

dress(ward.me);
route();
void sound.begin();
whenUnknown(() => void learn(ward).then(update));
watchCalls(ward, update);
setInterval(() => {
  const nurses = ward.me.screen?.profile === "nurses";
  if (nurses && sound.state() === "ready" && ward.lostPage() === null) void call("POST", "/api/alive", {});
}, ALIVE_MS);
setInterval(() => {
  update();
  listen();
}, TICK_MS);
// before the first bed: what somebody opens there depends on who they are
await Promise.race([know(), new Promise((done) => setTimeout(done, KNOWN_MS))]);
feed.start();
