/**
 * How changes reach the rows of the feed. Unchanged rows are not touched, rows keep their place while a person reads,
 * new rows wait or are marked, and a row that leaves says why.
 */
import { BEFORE_REQUEST, FEED_NEWS, PAUSED, REFRESHED, ROWS_WAITING, TIMES_ADDED } from "../events.js";
import { all, announce, byId, closest, inputs, parsed, required, rowAround } from "../lib/dom.js";
import { isRestoringFocus, keepingFocus, remember, update } from "../lib/in_place.js";

const HOLD = 30_000; // milliseconds; a pointer or focus at rest for longer holds no row back
const FADE = 30_000; // milliseconds that a row which left can be taken back
const ANNOUNCE_EVERY = 10_000; // milliseconds
const feed = required("feed", HTMLElement);
const table = required("rows", HTMLTableElement);
const body = table.tBodies[0];
/** @type {Map<string, string>} The last HTML of each row, by key, for rows that are not on the page yet. */
const htmls = new Map();
/** @type {Set<string>} The keys of the rows that this page has shown. */
const known = new Set();
/** @type {string[]} */
let order = [];
let touched = 0; // when the pointer or the keyboard last moved in the rows
let isPaused = false;
/** @type {string[]} The statuses of new rows that are not announced yet. */
let arrived = [];
let storm = ""; // the words about a storm that began, until they are announced
let announcedAt = 0;

/** @param {string} key */
const rowOf = (key) => byId(`incident-${key}`);

/** @param {Element} row */
const keyOf = (row) => /** @type {HTMLElement} */ (row).dataset.key || "";

/**
 * Tell whether a person reads, so that no row may move: the view is paused or scrolled, a row is selected, a menu or a
 * dialog is open, or the pointer or the focus is in the rows.
 */
function isRead() {
  if (isPaused || document.querySelector("dialog[open]")) return true;
  if (document.querySelector("#main details[open]")) return true;
  if (required("main", HTMLElement).scrollTop > 0 || scrollY > 0 || body.querySelector("[name=incident]:checked"))
    return true;
  const isUnderHand = body.matches(":hover") || body.contains(document.activeElement);
  return isUnderHand && Date.now() - touched < HOLD;
}

// --- News

/** @param {FeedNews} news */
function receive(news) {
  for (const [key, html] of Object.entries(news.rows || {})) {
    htmls.set(key, html);
    const row = rowOf(key);
    const fresh = parsed(html);
    if (row && fresh) update(row, fresh);
  }
  for (const [key, html] of Object.entries(news.gone || {})) leave(key, html);
  if (news.order) order = news.order;
  for (const [key, count] of Object.entries(news.counts || {})) {
    for (const each of all(`[data-count="${key}"]`)) if (count && each.textContent !== count) each.textContent = count;
  }
  const pills = news.pills === undefined ? null : parsed(news.pills);
  if (pills) update(required("pills", HTMLElement), pills);
  if (news.end !== undefined) fill(required("feed-end", HTMLElement), news.end);
  if (news.storm !== undefined) tellStorm(news.storm);
  if (news.worst !== undefined) feed.dataset.worst = news.worst;
  if (news.icon !== undefined) feed.dataset.icon = news.icon;
  if (news.matching_count !== undefined) feed.dataset.matching = String(news.matching_count ?? "");
  if (news.last_event) byId("last-event")?.firstElementChild?.setAttribute("datetime", news.last_event);
  settle();
  document.dispatchEvent(new Event(TIMES_ADDED));
  document.dispatchEvent(new Event(REFRESHED));
}

/**
 * @param {HTMLElement} place
 * @param {string} html
 */
function fill(place, html) {
  if (place.dataset.told === html) return;
  place.dataset.told = html;
  const opened = place.querySelector("details[open]");
  keepingFocus(() => {
    place.innerHTML = html;
  });
  if (opened) place.querySelector("details")?.setAttribute("open", "");
  htmx.process(place);
}

/**
 * Show the storm. Its figures change with each round, so only its beginning is announced.
 * @param {string} html
 */
function tellStorm(html) {
  const place = required("storm", HTMLElement);
  const isKnown = place.childElementCount > 0;
  fill(place, html);
  if (!place.childElementCount) storm = "";
  else if (!storm && !isKnown) storm = byId("storm-summary")?.querySelector("strong")?.textContent || "";
}

/**
 * Replace a row that left by one that says why. It stays where the row was for a while, so that nothing moves.
 * @param {string} key
 * @param {string} html
 */
function leave(key, html) {
  const row = rowOf(key);
  const gone = parsed(html);
  if (!row || !gone) return;
  const token = inputs("[name=csrfmiddlewaretoken]")[0]?.value || "";
  for (const field of inputs("[name=csrfmiddlewaretoken]", gone)) field.value = token;
  gone.style.height = `${row.offsetHeight}px`;
  row.replaceWith(gone);
  known.delete(key);
  setTimeout(() => forget(gone), FADE);
}

/** @param {Element} gone */
function forget(gone) {
  if (gone.matches(":hover, :focus-within") || isRead()) setTimeout(() => forget(gone), 1000);
  else gone.remove();
  table.hidden = !body.rows.length;
}

/** Put the rows into the server's order, or let them wait while a person reads. */
function settle() {
  const there = new Set([...body.rows].filter((row) => row.id).map(keyOf));
  const added = order.filter((key) => !there.has(key));
  const isMoved = added.length > 0 || [...there].join() !== order.join();
  if (isMoved && isRead()) return wait(added.filter((key) => !known.has(key)).length);
  /** @type {HTMLElement[]} */
  const fresh = [];
  let place = body.firstElementChild;
  for (const key of order) {
    while (place && (!place.id || !order.includes(keyOf(place)))) place = leaveOut(place);
    let row = rowOf(key);
    if (!row) {
      row = parsed(htmls.get(key) || "");
      if (!row) continue;
      body.querySelector(`.row-gone[data-key="${key}"]`)?.remove(); // the incident is back
      remember(row);
      if (!known.has(key)) fresh.push(row);
      known.add(key);
    }
    if (row === place) place = place.nextElementSibling;
    else insert(row, place);
  }
  while (place) place = leaveOut(place);
  table.hidden = !body.rows.length;
  for (const key of htmls.keys()) if (!order.includes(key)) htmls.delete(key);
  wait(0, false);
  greet(fresh);
}

/**
 * @param {Element} row
 * @param {Element | null} next
 */
function insert(row, next) {
  keepingFocus(() => body.insertBefore(row, next));
  htmx.process(row);
}

/**
 * Step over a row that stands for one which left; remove a row that only fell off the page. Return the next row.
 * @param {Element} row
 */
function leaveOut(row) {
  const next = row.nextElementSibling;
  if (row.id) row.remove();
  return next;
}

/** @param {HTMLElement[]} fresh */
function greet(fresh) {
  for (const row of fresh) {
    row.classList.add("is-new");
    arrived.push(row.dataset.status || "");
  }
  announceNews();
}

function announceNews() {
  if (!(arrived.length || storm) || Date.now() - announcedAt < ANNOUNCE_EVERY) return;
  const counts = new Map();
  for (const status of arrived) counts.set(status, (counts.get(status) || 0) + 1);
  const parts = [...counts].map(([status, count]) => `${count} new ${status}`);
  const incidents = arrived.length ? `${parts.join(", ")} incident${arrived.length > 1 ? "s" : ""}` : "";
  announce([storm, incidents].filter(Boolean).join(". "));
  arrived = [];
  storm = "";
  announcedAt = Date.now();
}

/**
 * @param {number} count The new rows that wait; 0 where only the order changed.
 */
function wait(count, isWaiting = true) {
  required("waiting", HTMLElement).hidden = !isWaiting;
  required("show-waiting", HTMLElement).textContent = count ? `${count} new – show` : "The order changed – show";
  document.dispatchEvent(new CustomEvent(ROWS_WAITING, { detail: count }));
}

/** Write the worst status into the page's title and icon. */
function showWorst() {
  const incident = byId("incident-title");
  document.title = `${feed.dataset.worst}${incident ? `${incident.textContent} · ` : ""}${feed.dataset.name}Incident console`;
  const icon = required("icon", HTMLLinkElement);
  const href = feed.dataset.icon || "";
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}

document.addEventListener(FEED_NEWS, (event) => receive(event.detail));
document.addEventListener(REFRESHED, showWorst);
document.addEventListener(PAUSED, (event) => {
  isPaused = event.detail;
  settle();
});
document.addEventListener("pointermove", (event) => {
  if ((event.movementX || event.movementY) && closest(event.target, "#rows")) touched = Date.now();
});
document.addEventListener("keydown", (event) => {
  if (closest(event.target, "#rows")) touched = Date.now();
});
document.addEventListener("focusin", (event) => {
  if (!isRestoringFocus() && closest(event.target, "#rows") && !closest(event.relatedTarget, "#rows"))
    touched = Date.now();
});
document.addEventListener("click", (event) => {
  if (closest(event.target, ".row-link")) rowAround(event.target)?.classList.remove("is-new");
  if (!closest(event.target, "#show-waiting")) return;
  touched = 0;
  required("main", HTMLElement).scrollTop = 0;
  scrollTo(0, 0);
  if (isPaused) byId("pause")?.click();
  for (const box of all("[name=incident]:checked", body)) box.click();
  for (const menu of all("#main details[open]")) menu.removeAttribute("open");
  settle();
});
// A person wants to see the result of an own action at once.
document.addEventListener(BEFORE_REQUEST, (event) => {
  if (event.detail.requestConfig.verb === "post") touched = 0;
});
setInterval(() => {
  if (!required("waiting", HTMLElement).hidden && !isRead()) settle();
  announceNews();
}, 500);

remember(required("pills", HTMLElement));
for (const row of body.rows) {
  remember(row);
  known.add(keyOf(row));
}
order = [...known];
