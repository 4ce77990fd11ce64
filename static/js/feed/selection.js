/**
 * Selecting rows of a table: one, a range with Shift, or all of the page. In the feed also all that match. The style
 * sheet shows the bar that `data-bar` names while a row is selected. Tables come and go, so the listeners are on the
 * document.
 */
import { AFTER_SETTLE, BULK_BEGUN, REFRESHED } from "../events.js";
import { byId, closest, first, inputs, required } from "../lib/dom.js";

/** @type {HTMLInputElement | null} The box "All matching"; a viewer has none. */
const allMatching = document.querySelector("#bulk-all");
/** @type {HTMLInputElement | null} The box that was clicked last, where a range begins. */
let last = null;

/** @returns {NodeListOf<HTMLTableElement>} */
const tables = () => document.querySelectorAll("table[data-bar]");

/** @param {HTMLTableElement} table */
const boxes = (table) => inputs("[type=checkbox]", table.tBodies[0]);

/** @param {HTMLTableElement} table */
const isFeed = (table) => table.id === "rows";

/** @param {Element} within */
const tableOf = (within) => /** @type {HTMLTableElement} */ (within.closest("table"));

/** @param {HTMLTableElement} table */
function show(table) {
  const page = inputs("thead [type=checkbox]", table)[0];
  const bar = byId(table.dataset.bar || "");
  if (!bar) return;
  const every = boxes(table);
  const count = every.filter((box) => box.checked).length;
  page.checked = count > 0 && count === every.length;
  page.indeterminate = count > 0 && !page.checked;
  if (isFeed(table)) offerAll(page.checked, bar);
  const words = isFeed(table) && allMatching?.checked ? "All selected" : `${count} selected`;
  for (const place of bar.getElementsByClassName("bulk-count")) place.textContent = words;
}

/**
 * Offer to select all that match, once the whole page is selected.
 * @param {boolean} isWholePage
 * @param {HTMLElement} bar
 */
function offerAll(isWholePage, bar) {
  if (allMatching && !isWholePage) allMatching.checked = false;
  const offer = first(".bulk-all", bar);
  if (offer) offer.hidden = !isWholePage;
  const matching = required("feed", HTMLElement).dataset.matching;
  const count = matching ? `${Number(matching).toLocaleString("en")} ` : "";
  required("bulk-all-words", HTMLElement).textContent = `All ${count}matching`;
}

function showAll() {
  for (const table of tables()) show(table);
}

/** @param {HTMLTableElement} table */
function clear(table) {
  for (const box of boxes(table)) box.checked = false;
  show(table);
}

document.addEventListener("click", (event) => {
  const box = closest(event.target, "table[data-bar] tbody [type=checkbox]");
  if (!(box instanceof HTMLInputElement)) return;
  const table = tableOf(box);
  const every = boxes(table);
  if (event.shiftKey && last && every.includes(last)) {
    const [from, to] = [every.indexOf(last), every.indexOf(box)].sort((one, other) => one - other);
    for (const each of every.slice(from, to + 1)) each.checked = box.checked;
  }
  last = box;
  show(table);
});
document.addEventListener("change", ({ target }) => {
  if (!(target instanceof HTMLInputElement)) return;
  const page = closest(target, "table[data-bar] thead [type=checkbox]");
  const isAllMatching = target === allMatching && target.checked;
  const table = page ? tableOf(page) : isAllMatching ? required("rows", HTMLTableElement) : null;
  if (!table) return;
  for (const box of boxes(table)) box.checked = target.checked;
  show(table);
});
document.addEventListener(BULK_BEGUN, () => {
  for (const table of tables()) clear(table);
});
document.addEventListener(REFRESHED, showAll);
document.addEventListener(AFTER_SETTLE, showAll);
document.addEventListener(
  "keydown",
  (event) => {
    const selected = [...tables()].filter((table) => boxes(table).some((box) => box.checked));
    if (event.key !== "Escape" || !selected.length || document.querySelector("dialog[open]")) return;
    for (const table of selected) clear(table);
    event.stopImmediatePropagation();
  },
  true,
);
showAll();
