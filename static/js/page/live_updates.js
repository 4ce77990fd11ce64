/**
 * Live updates. The stream tells what changed in the views that this browser's tabs show. Asking at intervals finds
 * what the stream missed, and replaces it where there is none.
 *
 * One tab leads and holds the stream for all tabs, because a browser opens six connections to a server at most. Web
 * Locks choose the leader, and a BroadcastChannel carries to the others what the stream tells.
 */
import {
  AFTER_REQUEST,
  BACKLOG,
  BULK_BEGUN,
  CHANGED,
  FEED_NEWS,
  PAUSED,
  PUSHED_INTO_HISTORY,
  REFRESHED,
  ROWS_WAITING,
} from "../events.js";
import { all, byId, first, required } from "../lib/dom.js";

/** @typedef {{ query: string | null, incident: string | null, visible: boolean }} View What one tab shows. */
/** @typedef {"open" | "ping" | "feed" | "incident" | "changed" | "gone" | "refused" | "backlog" | "broken"} Kind What the stream tells. */
/** @typedef {{ kind: Kind, data: string }} Message */

const POLL = 5000; // milliseconds between questions where there is no stream
const HIDDEN_POLL = 60_000;
const SILENCE = 25_000; // milliseconds; the stream sends a message every 15 s
const DOWN_AFTER = 120_000;
const SETTLE = 60; // milliseconds; tabs that open or close together cause one new stream
/** @type {Kind[]} */
const KINDS = ["ping", "feed", "incident", "changed", "gone", "refused", "backlog"];

const feed = byId("feed");
const hasStream = document.body.dataset.live === "stream" && "EventSource" in window;
const place = byId("live");
const words = byId("live-words");
const pauseButton = byId("pause");
const channel = "BroadcastChannel" in window ? new BroadcastChannel("console-live") : null;
const me = `${Date.now()}-${Math.random()}`;

/** @type {Map<string, View>} In the leading tab: the view of each tab. */
const tabs = new Map();
let isLeader = false;
/** @type {EventSource | null} */
let source = null;
let shown = ""; // the address of the open stream
let heardAt = 0; // when the stream sent its last message
let freshAt = Date.now(); // when the data on the page was last known to be true
let askedAt = Date.now();
let isFailing = false;
let refusal = { words: "", sentence: "" }; // why the server streams nothing to this tab
let etag = "";
let waiting = 0; // new rows that wait
let isPaused = false;
let wasDown = false;
let told = ""; // the view that the leader knows of this tab
let settling = 0;

/**
 * Return what this tab shows. The page number of the open incident is not part of the feed's view.
 * @returns {View}
 */
function view() {
  const query = new URLSearchParams(location.search);
  query.delete("pane_after");
  const incident = location.pathname.match(/^\/incidents\/(\d+)/)?.[1] || null;
  return { query: feed ? query.toString() : null, incident, visible: !document.hidden };
}

/**
 * @param {"shows" | "leaves" | "heard" | "who"} kind
 * @param {View | Message} [data]
 */
const send = (kind, data) => channel?.postMessage({ kind, from: me, data });
const isStreamed = () => !refusal.words && Date.now() - heardAt < SILENCE;

// --- The stream

function tellView() {
  const showing = view();
  if (told === JSON.stringify(showing)) return;
  told = JSON.stringify(showing);
  tabs.set(me, showing);
  if (isLeader) reopen();
  else send("shows", showing);
}

function reopen() {
  clearTimeout(settling);
  settling = setTimeout(open, SETTLE);
}

/** Return the address of a stream for all visible tabs; empty where every tab is hidden. */
function wantedStream() {
  const visible = [...tabs.values()].filter((tab) => tab.visible);
  const query = new URLSearchParams();
  for (const each of new Set(visible.map((tab) => tab.query))) if (each !== null) query.append("view", each);
  for (const each of new Set(visible.map((tab) => tab.incident))) if (each) query.append("incident", each);
  // A page without a feed asks the server again, whatever has changed.
  if (visible.some((tab) => tab.query === null)) query.append("all", "1");
  return visible.length ? `/live?${query}` : "";
}

function open() {
  const wanted = wantedStream();
  if (wanted === shown && source && source.readyState !== EventSource.CLOSED) return;
  source?.close();
  source = null;
  shown = wanted;
  if (!wanted) return; // the connection is given back
  source = new EventSource(wanted);
  source.addEventListener("open", () => pass({ kind: "open", data: "" }));
  for (const kind of KINDS) source.addEventListener(kind, (event) => pass({ kind, data: event.data }));
  source.addEventListener("error", () => {
    pass({ kind: "broken", data: "" });
    if (source?.readyState === EventSource.CLOSED) shown = "";
  });
}

/** @param {Message} message */
function pass(message) {
  send("heard", message);
  hear(message);
}

/** @param {Message} message */
function hear({ kind, data }) {
  if (kind === "broken") heardAt = 0;
  else if (kind === "open") refusal = { words: "", sentence: "" };
  else if (kind === "refused") {
    const { query, ...reason } = JSON.parse(data);
    if (query === null || (feed && query === view().query)) refusal = reason;
  } else {
    heardAt = freshAt = Date.now();
    isFailing = false;
  }
  if (kind === "feed" && feed) receive(JSON.parse(data));
  else if (kind === "gone" && JSON.parse(data) === view().query) location.reload();
  else if (kind === "incident" && data === view().incident) refreshParts();
  else if (kind === "changed" && !feed) refreshParts();
  else if (kind === "backlog") tellBacklog(data);
  showState();
}

/** @param {FeedNews} news */
function receive(news) {
  if (news.query === view().query) document.dispatchEvent(new CustomEvent(FEED_NEWS, { detail: news }));
}

/** @param {string} state */
const tellBacklog = (state) => document.dispatchEvent(new CustomEvent(BACKLOG, { detail: state }));
const refreshParts = () => htmx.trigger(document.body, CHANGED);

// --- Asking

async function ask() {
  askedAt = Date.now();
  tellBacklog("");
  if (!feed) return refreshParts();
  const query = view().query || "";
  try {
    const keys = all("#rows tbody tr[id]").map((row) => row.dataset.key);
    const headers = { "HX-Request": "true", ...(etag ? { "If-None-Match": etag } : {}) };
    const reply = await fetch(`/live/state?${query}&shown=${keys}`, { headers });
    if (reply.redirected || reply.status === 403 || reply.headers.has("HX-Redirect")) return location.reload();
    isFailing = !reply.ok && reply.status !== 304;
    if (!isFailing) freshAt = Date.now();
    if (reply.ok) {
      etag = reply.headers.get("ETag") || "";
      receive({ query, ...(await reply.json()) });
      if (view().incident) refreshParts();
    }
  } catch {
    isFailing = true;
  }
  showState();
}

// --- The state that the page shows

/** @param {number} at */
const clock = (at) => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

/** Return the name of the state and its words. */
function worded() {
  const age = Math.round((Date.now() - freshAt) / 1000);
  if (isFailing && Date.now() - freshAt > DOWN_AFTER) return ["down", `Not live since ${clock(freshAt)}`];
  if (refusal.words && !isFailing) return ["refused", `Not live: ${refusal.words}`];
  if (isFailing || (hasStream && !isStreamed() && age > 2)) return ["reconnecting", `Reconnecting, data ${age} s old`];
  const behind = first("#behind time");
  if (behind) return ["behind", `Correlation is behind since ${behind.textContent}`];
  if (isPaused) return ["paused", waiting ? `Paused, ${waiting} new` : "Paused"];
  if (hasStream) return isStreamed() ? ["live", "Live"] : ["connecting", "Connecting"];
  return ["polling", `Updates every ${POLL / 1000} s`];
}

function showState() {
  if (!place || !words) return;
  const [name, text] = worded();
  if (words.textContent !== text) words.textContent = text;
  place.title = refusal.sentence && `${refusal.sentence} This page asks every ${POLL / 1000} s instead.`;
  place.dataset.state = document.body.dataset.state = name;
  if ((name === "down") !== wasDown) {
    wasDown = name === "down";
    required("alarm", HTMLElement).textContent = wasDown ? `${text}. What you see may be out of date.` : "";
  }
}

pauseButton?.addEventListener("click", () => {
  isPaused = !isPaused;
  pauseButton.setAttribute("aria-pressed", String(isPaused));
  document.dispatchEvent(new CustomEvent(PAUSED, { detail: isPaused }));
  showState();
});

// --- Several tabs

channel?.addEventListener("message", ({ data: { kind, from, data } }) => {
  if (kind === "who") send("shows", view());
  else if (kind === "heard" && !isLeader) hear(data);
  else if (kind === "shows" && isLeader) {
    tabs.set(from, data);
    reopen();
  } else if (kind === "leaves" && isLeader && tabs.delete(from)) reopen();
});

/** Lead all tabs until this tab is closed. */
function lead() {
  isLeader = true;
  tabs.set(me, view());
  send("who");
  reopen();
  return new Promise(() => {});
}

document.addEventListener(BULK_BEGUN, () => {
  etag = "";
  ask();
});
document.addEventListener(ROWS_WAITING, (event) => {
  waiting = event.detail;
  showState();
});
document.addEventListener(PUSHED_INTO_HISTORY, tellView);
document.addEventListener(REFRESHED, tellView);
addEventListener("popstate", tellView);
addEventListener("pagehide", () => send("leaves"));
document.addEventListener("visibilitychange", () => {
  tellView();
  if (!document.hidden && !isStreamed()) ask();
});
document.addEventListener(AFTER_REQUEST, ({ detail: { target, successful } }) => {
  if (!["status", "incident"].includes(target?.id)) return;
  isFailing = !successful;
  if (successful) freshAt = Date.now();
  showState();
});
setInterval(() => {
  if (!isStreamed() && Date.now() - askedAt >= (document.hidden ? HIDDEN_POLL : POLL)) ask();
  // A browser gives a stream up for good when a proxy answers 502 in place of a server that restarts.
  const isOver = !source || source.readyState === EventSource.CLOSED;
  if (isLeader && isOver && tabs.get(me)?.visible && Date.now() - askedAt < 1000) reopen();
  showState();
}, 1000);

if (hasStream) {
  tellView();
  if (navigator.locks && channel) navigator.locks.request("console-live", lead);
  else lead();
}
showState();
