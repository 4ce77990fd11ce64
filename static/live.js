/* Live: a nudge by server-sent events makes the page ask for what it shows; asking at intervals is the safety net, and the way where there is no stream. */
"use strict";
(() => {
  const SOON = 250; // after one question the next may follow this soon,
  const THROTTLE = 1500; // and the one after that this long after the first
  const SAFETY_NET = 30_000; // between questions while the stream is open, or the tab is hidden
  const POLL = 5000;
  const STREAM_AGAIN = 15_000;
  const DOWN_AFTER = 120_000;
  const ANNOUNCE_EVERY = 10_000;

  const streams = document.body.dataset.live === "stream" && "EventSource" in window;
  const place = document.getElementById("live");
  const words = document.getElementById("live-words");
  let source = null;
  let isOpen = false;
  let lostAt = streams ? Date.now() : 0;
  let triedAt = 0;
  let askedAt = Date.now();
  let askedBeforeAt = 0;
  let freshAt = Date.now();
  let failing = false;
  let later = 0;
  let arrived = [];
  let announcedAt = 0;
  let wasDown = false;

  function ask() {
    const wait = Math.max(askedAt + SOON, askedBeforeAt + THROTTLE) - Date.now();
    if (wait > 0) {
      later ||= setTimeout(ask, wait);
      return;
    }
    clearTimeout(later);
    later = 0;
    askedBeforeAt = askedAt;
    askedAt = Date.now();
    htmx.trigger(document.body, "console:changed");
  }

  function open() {
    if (!streams || source || document.hidden) return;
    triedAt = Date.now();
    source = new EventSource("/live");
    source.addEventListener("open", () => { isOpen = true; tell(); });
    source.addEventListener("changed", ask);
    source.addEventListener("error", () => {
      if (isOpen) lostAt = Date.now();
      isOpen = false;
      if (source?.readyState === EventSource.CLOSED) source = null;
      tell();
    });
  }

  /* Hidden tabs give their connection back: a browser has six for all tabs of a server. */
  function close() {
    source?.close();
    source = null;
    isOpen = false;
  }

  const clock = (at) => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

  function state() {
    const now = Date.now();
    const age = Math.round((now - freshAt) / 1000);
    if (failing && now - freshAt > DOWN_AFTER) return ["down", `Not live since ${clock(freshAt)}`];
    if (failing) return ["reconnecting", `Reconnecting, data ${age} s old`];
    if (isOpen) return ["live", "Live"];
    if (streams && !document.hidden && now - lostAt < POLL) return ["reconnecting", now - freshAt < 2000 ? "Connecting" : `Reconnecting, data ${age} s old`];
    return ["polling", `Updates every ${POLL / 1000} s`];
  }

  function tell() {
    if (!place) return;
    const [name, text] = state();
    if (words.textContent !== text) words.textContent = text;
    place.dataset.state = name;
    if ((name === "down") !== wasDown) {
      wasDown = name === "down";
      document.getElementById("alarm").textContent = wasDown ? `${text}. What you see may be out of date.` : "";
    }
  }

  function carry() {
    const feed = document.getElementById("feed");
    if (!feed) return;
    const incident = document.getElementById("incident-title");
    document.title = `${feed.dataset.worst}${incident ? `${incident.textContent} · ` : ""}Incident console`;
    const icon = document.getElementById("icon");
    if (icon.getAttribute("href") !== feed.dataset.icon) icon.setAttribute("href", feed.dataset.icon);
  }

  function announce() {
    if (!arrived.length || Date.now() - announcedAt < ANNOUNCE_EVERY) return;
    const counts = new Map();
    for (const status of arrived) counts.set(status, (counts.get(status) || 0) + 1);
    const parts = [...counts].map(([status, count]) => `${count} new ${status}`);
    document.getElementById("announcer").textContent = `${parts.join(", ")} incident${arrived.length > 1 ? "s" : ""}`;
    arrived = [];
    announcedAt = Date.now();
  }

  document.addEventListener("console:ask", () => { askedAt = askedBeforeAt = 0; ask(); });
  document.addEventListener("console:arrived", (event) => { arrived.push(...event.detail); announce(); });
  document.addEventListener("console:refreshed", carry);
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!["feed", "status", "incident"].includes(event.detail.target?.id)) return;
    failing = !event.detail.successful;
    if (event.detail.successful) freshAt = Date.now();
    tell();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else {
      open();
      lostAt = Date.now();
      ask();
    }
  });
  setInterval(() => {
    const interval = isOpen || document.hidden ? SAFETY_NET : POLL;
    if (Date.now() - askedAt >= interval) ask();
    if (Date.now() - triedAt >= STREAM_AGAIN) open();
    announce();
    tell();
  }, 1000);

  open();
  tell();
})();
