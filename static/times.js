/* Times in the reader's zone. Each <time data-show> tells its UTC time without scripts; this shows it as asked, and keeps it true without asking the server. */
"use strict";
(() => {
  const UNITS = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  let skew = 0; // how far the server's clock is ahead of this one, in milliseconds

  const two = (number) => String(number).padStart(2, "0");

  function exact(at) {
    const offset = -at.getTimezoneOffset();
    const sign = offset < 0 ? "-" : "+";
    const zone = `${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${zone}`;
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

  function worded(show, at, seconds) {
    const ahead = seconds < -1;
    const ago = ahead ? `in ${length(-seconds, 1)}` : `${length(seconds, 1)} ago`;
    if (show === "long") return length(seconds, 2);
    if (show === "since") return ago;
    if (show === "exact") return exact(at);
    if (show === "both") return `${exact(at)} (${ago})`;
    return ahead ? ago : length(seconds, 1);
  }

  function tick() {
    if (document.hidden) return;
    const now = Date.now() + skew;
    for (const element of document.querySelectorAll("time[data-show]")) {
      const at = new Date(element.dateTime);
      const text = worded(element.dataset.show, at, (now - at) / 1000);
      if (element.textContent !== text) element.textContent = text;
      if (!element.dataset.exact) element.title = element.dataset.exact = exact(at);
    }
  }

  document.addEventListener("console:times", tick);
  document.addEventListener("visibilitychange", tick);
  document.addEventListener("htmx:afterSettle", tick);
  document.addEventListener("htmx:afterRequest", (event) => {
    const said = Date.parse(event.detail.xhr.getResponseHeader("Date") || "");
    if (said) skew = Math.abs(said - Date.now()) > 2000 ? said - Date.now() : 0;
  });
  setInterval(tick, 1000);
  tick();
})();
