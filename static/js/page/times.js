/* Times in the reader's zone, or in UTC when they press for it. Each <time data-show> tells its time without scripts; this shows it as asked, and keeps it true without asking the server. */
"use strict";
(() => {
  const UNITS = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  const A_YEAR = 365 * 24 * 3600;
  const browsers = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const chosen = document.documentElement.dataset.zone || browsers;
  const toggle = document.getElementById("utc");
  let zone = localStorage.getItem("utc") ? "UTC" : chosen;
  let exact = writerIn(zone);
  let skew = 0; // how far the server's clock is ahead of this one, in milliseconds

  /* What writes a moment as `2026-03-24 14:30:05 +02:00` in a time zone. */
  function writerIn(timeZone) {
    const clock = new Intl.DateTimeFormat("en-CA", { timeZone, dateStyle: "short", timeStyle: "medium", hourCycle: "h23" });
    const offset = new Intl.DateTimeFormat("en-CA", { timeZone, timeZoneName: "longOffset" });
    return (at) => {
      const name = offset.formatToParts(at).find(({ type }) => type === "timeZoneName").value;
      return `${clock.format(at).replace(",", "")} ${name.slice(3) || "+00:00"}`;
    };
  }

  function length(seconds, parts) {
    const words = [];
    let rest = Math.max(0, Math.floor(seconds));
    for (const [size, unit] of UNITS) {
      const amount = Math.floor(rest / size);
      rest -= amount * size;
      if (amount) words.push(`${amount}${unit}`);
      else if (words.length) break;
      if (words.length === parts) break;
    }
    return words.join(" ") || "0s";
  }

  function worded(show, told, seconds) {
    const ahead = seconds < -1;
    const ago = ahead ? `in ${length(-seconds, 1)}` : `${length(seconds, 1)} ago`;
    if (show === "long") return length(seconds, 2);
    if (show === "since") return ago;
    if (show === "exact") return told;
    if (show === "clock") return told.slice(11, 16);
    if (show === "both") return `${told} (${ago})`;
    return ahead ? ago : length(seconds, 1);
  }

  function tick() {
    if (document.hidden) return;
    const now = Date.now() + skew;
    for (const element of document.querySelectorAll("time[data-show]")) {
      const at = new Date(element.dateTime);
      const of = `${element.dateTime} ${zone}`;
      if (element.dataset.of !== of) {
        element.dataset.of = of;
        element.title = element.dataset.exact = exact(at);
      }
      const text = worded(element.dataset.show, element.dataset.exact, (now - at) / 1000);
      if (element.textContent !== text) element.textContent = text;
    }
  }

  function show() {
    exact = writerIn(zone);
    document.documentElement.dataset.shownZone = zone;
    if (toggle) {
      toggle.setAttribute("aria-pressed", String(zone === "UTC"));
      toggle.title = `Times are in ${zone}. ${zone === "UTC" ? `Show ${chosen}` : "Show UTC"} (Shift+u)`;
    }
    tick();
    document.dispatchEvent(new Event("console:zone"));
  }

  toggle?.addEventListener("click", () => {
    zone = zone === "UTC" ? chosen : "UTC";
    if (zone === "UTC") localStorage.setItem("utc", "1");
    else localStorage.removeItem("utc");
    show();
    document.getElementById("announcer").textContent = `Times are in ${zone}`;
  });
  document.addEventListener("console:times", tick);
  document.addEventListener("visibilitychange", tick);
  document.addEventListener("htmx:afterSettle", tick);
  document.addEventListener("htmx:afterRequest", (event) => {
    const said = Date.parse(event.detail.xhr.getResponseHeader("Date") || "");
    if (said) skew = Math.abs(said - Date.now()) > 2000 ? said - Date.now() : 0;
  });
  setInterval(tick, 1000);

  // The server writes times as this browser does, where the person chose no zone: without scripts next time, and in forms.
  document.cookie = `zone=${browsers};path=/;max-age=${A_YEAR};samesite=lax`;
  show();
})();
