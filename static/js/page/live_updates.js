/* Live: the stream tells what changed in the views that this browser's tabs show; asking at intervals is the safety net, and the way where there is no stream.
   One tab holds the stream for all, since a browser has six connections for a server: Web Locks choose it, a BroadcastChannel carries what it hears. */
"use strict";
(() => {
  const POLL = 5000; // milliseconds between questions where there is no stream
  const HIDDEN_POLL = 60_000;
  const SILENCE = 25_000; // the stream says something every 15 s
  const DOWN_AFTER = 120_000;
  const SETTLE = 60; // tabs that come or go together make one new stream

  const feed = document.getElementById("feed");
  const streams = document.body.dataset.live === "stream" && "EventSource" in window;
  const place = document.getElementById("live");
  const words = document.getElementById("live-words");
  const pauseButton = document.getElementById("pause");
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("console-live") : null;
  const me = `${Date.now()}-${Math.random()}`;

  const tabs = new Map(); // of the tab that leads: what each shows
  let leads = false;
  let source = null;
  let shown = ""; // what the open stream was asked for
  let heardAt = 0; // from the stream
  let freshAt = Date.now(); // when what is on the page was known to be true
  let askedAt = Date.now();
  let failing = false;
  let etag = "";
  let waiting = 0;
  let paused = false;
  let wasDown = false;

  /* What this tab shows. The feed's own query string: the open incident's page number is not part of the view. */
  function view() {
    const query = new URLSearchParams(location.search);
    query.delete("pane_after");
    return { query: feed ? query.toString() : null, incident: location.pathname.match(/^\/incidents\/(\d+)/)?.[1] || null, visible: !document.hidden };
  }

  const send = (kind, data) => channel?.postMessage({ kind, from: me, data });
  const streamed = () => Date.now() - heardAt < SILENCE;

  let told = "";
  function tell() {
    const showing = view();
    if (told === JSON.stringify(showing)) return;
    told = JSON.stringify(showing);
    tabs.set(me, showing);
    if (leads) reopen();
    else send("shows", showing);
  }

  let settling = 0;
  function reopen() {
    clearTimeout(settling);
    settling = setTimeout(open, SETTLE);
  }

  function open() {
    const visible = [...tabs.values()].filter((tab) => tab.visible);
    const query = new URLSearchParams();
    for (const each of new Set(visible.map((tab) => tab.query).filter((each) => each !== null))) query.append("view", each);
    for (const each of new Set(visible.map((tab) => tab.incident).filter(Boolean))) query.append("incident", each);
    if (visible.some((tab) => tab.query === null)) query.append("all", "1"); // a page that is no feed asks again whatever has changed
    const wanted = visible.length ? `/live?${query}` : "";
    if (wanted === shown && source && source.readyState !== EventSource.CLOSED) return;
    source?.close();
    source = null;
    shown = wanted;
    if (!wanted) return; // every tab is hidden: the connection is given back
    source = new EventSource(wanted);
    for (const kind of ["ping", "feed", "incident", "changed", "gone"]) source.addEventListener(kind, (event) => pass(kind, event.data));
    source.addEventListener("error", () => {
      pass("broken", "");
      if (source?.readyState === EventSource.CLOSED) shown = "";
    });
  }

  function pass(kind, data) {
    send("heard", { kind, data });
    hear(kind, data);
  }

  function hear(kind, data) {
    if (kind === "broken") heardAt = 0;
    else {
      heardAt = freshAt = Date.now();
      failing = false;
    }
    if (kind === "feed" && feed) receive(JSON.parse(data));
    else if (kind === "gone" && JSON.parse(data) === view().query) location.reload();
    else if (kind === "incident" && data === view().incident) refreshParts();
    else if (kind === "changed" && !feed) refreshParts();
    state();
  }

  function receive(told) {
    if (told.query === view().query) document.dispatchEvent(new CustomEvent("console:feed", { detail: told }));
  }

  const refreshParts = () => htmx.trigger(document.body, "console:changed");

  /* Asking */
  async function ask() {
    askedAt = Date.now();
    if (!feed) return refreshParts();
    const { query } = view();
    try {
      const shown = [...document.querySelectorAll("#rows tbody tr[id]")].map((row) => row.dataset.key);
      const reply = await fetch(`/live/state?${query}&shown=${shown}`, { headers: { "HX-Request": "true", ...(etag ? { "If-None-Match": etag } : {}) } });
      if (reply.redirected || reply.status === 403 || reply.headers.has("HX-Redirect")) return location.reload();
      failing = !reply.ok && reply.status !== 304;
      if (!failing) freshAt = Date.now();
      if (reply.ok) {
        etag = reply.headers.get("ETag") || "";
        receive({ query, ...(await reply.json()) });
        if (view().incident) refreshParts();
      }
    } catch {
      failing = true;
    }
    state();
  }

  /* What the page says of itself */
  const clock = (at) => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

  function worded() {
    const age = Math.round((Date.now() - freshAt) / 1000);
    if (failing && Date.now() - freshAt > DOWN_AFTER) return ["down", `Not live since ${clock(freshAt)}`];
    if (failing || (streams && !streamed() && age > 2)) return ["reconnecting", `Reconnecting, data ${age} s old`];
    if (paused) return ["paused", waiting ? `Paused, ${waiting} new` : "Paused"];
    if (streams) return streamed() ? ["live", "Live"] : ["connecting", "Connecting"];
    return ["polling", `Updates every ${POLL / 1000} s`];
  }

  function state() {
    if (!place) return;
    const [name, text] = worded();
    if (words.textContent !== text) words.textContent = text;
    place.dataset.state = document.body.dataset.state = name;
    if ((name === "down") !== wasDown) {
      wasDown = name === "down";
      document.getElementById("alarm").textContent = wasDown ? `${text}. What you see may be out of date.` : "";
    }
  }

  pauseButton?.addEventListener("click", () => {
    paused = !paused;
    pauseButton.setAttribute("aria-pressed", String(paused));
    document.dispatchEvent(new CustomEvent("console:pause", { detail: paused }));
    state();
  });

  channel?.addEventListener("message", ({ data: { kind, from, data } }) => {
    if (kind === "who") send("shows", view());
    else if (kind === "heard" && !leads) hear(data.kind, data.data);
    else if (kind === "shows" && leads) {
      tabs.set(from, data);
      reopen();
    } else if (kind === "leaves" && leads && tabs.delete(from)) reopen();
  });

  function lead() {
    leads = true;
    tabs.set(me, view());
    send("who");
    reopen();
    return new Promise(() => {}); // until this tab is closed
  }

  for (const event of ["console:ask", "console:begun"]) document.addEventListener(event, () => { etag = ""; ask(); });
  document.addEventListener("console:waiting", (event) => { waiting = event.detail; state(); });
  for (const event of ["htmx:pushedIntoHistory", "console:refreshed"]) document.addEventListener(event, tell);
  addEventListener("popstate", tell);
  addEventListener("pagehide", () => send("leaves"));
  document.addEventListener("visibilitychange", () => { tell(); if (!document.hidden && !streamed()) ask(); });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!["status", "incident"].includes(event.detail.target?.id)) return;
    failing = !event.detail.successful;
    if (event.detail.successful) freshAt = Date.now();
    state();
  });
  setInterval(() => {
    if (!streamed() && Date.now() - askedAt >= (document.hidden ? HIDDEN_POLL : POLL)) ask();
    if (leads && !source && tabs.get(me).visible && Date.now() - askedAt < 1000) reopen();
    state();
  }, 1000);

  if (streams) {
    tell();
    if (navigator.locks && channel) navigator.locks.request("console-live", lead);
    else lead();
  }
  state();
})();
