/**
 * Times in the reader's time zone, or in UTC. Each `<time data-show>` has a text without scripts, too. This module
 * writes the text that `data-show` asks for, and keeps it true without asking the server.
 */
import { AFTER_REQUEST, AFTER_SETTLE, TIMES_ADDED, ZONE_CHANGED } from "../events.js";
import { all, announce, byId } from "../lib/dom.js";

/** @type {[seconds: number, unit: string][]} */
const UNITS = [
  [86_400, "d"],
  [3600, "h"],
  [60, "m"],
  [1, "s"],
];
const A_YEAR = 365 * 24 * 3600; // seconds
const LEAST_SKEW = 2000; // milliseconds; less is the time that a reply takes
const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const ownZone = document.documentElement.dataset.zone || browserZone;
const toggle = byId("utc");
let zone = localStorage.getItem("utc") ? "UTC" : ownZone;
let exact = writerIn(zone);
let skew = 0; // milliseconds that the server's clock is ahead of this one

/**
 * Return a function that writes a moment as `2026-03-24 14:30:05 +02:00` in a time zone.
 * @param {string} timeZone
 */
function writerIn(timeZone) {
  const clock = new Intl.DateTimeFormat("en-CA", {
    timeZone,
    dateStyle: "short",
    timeStyle: "medium",
    hourCycle: "h23",
  });
  const offset = new Intl.DateTimeFormat("en-CA", { timeZone, timeZoneName: "longOffset" });
  return (/** @type {Date} */ at) => {
    const name = offset.formatToParts(at).find(({ type }) => type === "timeZoneName")?.value || "GMT";
    return `${clock.format(at).replace(",", "")} ${name.slice(3) || "+00:00"}`;
  };
}

/**
 * @param {number} seconds
 * @param {number} parts The number of units.
 */
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

/**
 * @param {string | undefined} show The value of `data-show`.
 * @param {string} told The exact time.
 * @param {number} seconds How long ago it was.
 */
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
  for (const time of /** @type {HTMLTimeElement[]} */ (all("time[data-show]"))) {
    const at = new Date(time.dateTime);
    const of = `${time.dateTime} ${zone}`;
    if (time.dataset.of !== of) {
      time.dataset.of = of;
      time.title = time.dataset.exact = exact(at);
    }
    const text = worded(time.dataset.show, time.dataset.exact || "", (now - at.getTime()) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}

function show() {
  exact = writerIn(zone);
  document.documentElement.dataset.shownZone = zone;
  if (toggle) {
    toggle.setAttribute("aria-pressed", String(zone === "UTC"));
    toggle.title = `Times are in ${zone}. ${zone === "UTC" ? `Show ${ownZone}` : "Show UTC"} (Shift+u)`;
  }
  tick();
  document.dispatchEvent(new Event(ZONE_CHANGED));
}

toggle?.addEventListener("click", () => {
  zone = zone === "UTC" ? ownZone : "UTC";
  if (zone === "UTC") localStorage.setItem("utc", "1");
  else localStorage.removeItem("utc");
  show();
  announce(`Times are in ${zone}`);
});
document.addEventListener(TIMES_ADDED, tick);
document.addEventListener("visibilitychange", tick);
document.addEventListener(AFTER_SETTLE, tick);
document.addEventListener(AFTER_REQUEST, ({ detail: { xhr } }) => {
  const said = Date.parse(xhr.getResponseHeader("Date") || "");
  if (said) skew = Math.abs(said - Date.now()) > LEAST_SKEW ? said - Date.now() : 0;
});
setInterval(tick, 1000);

// The server writes times in this zone for a person who chose none: in forms, and on pages without scripts.
// biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API needs https
document.cookie = `zone=${browserZone};path=/;max-age=${A_YEAR};samesite=lax`;
show();
