/**
 * The keyboard. The key sheet of the page (templates/components/_key_sheet.html) says which keys there are and what
 * each does.
 *
 * A key without a function here activates the element that carries it: `data-key` on a link, a button or a field. Keys
 * have the names that browsers give them (`U` is Shift+u). Keys are off while a person types and while a dialog is open.
 */
import { BULK_BEGUN } from "../events.js";
import { all, announce, byId, closest, first, inputs, required, rowAround } from "../lib/dom.js";

const SEQUENCE = 1500; // milliseconds between the keys of "g i"
const LINK = ".row-link, .alert-link";
const dialog = required("dialog", HTMLDialogElement);
const sheet = required("key-sheet", HTMLTemplateElement);
let begun = ""; // the first key of a sequence
let begunAt = 0;
let selected = ""; // the id of the box that an action's key has ticked
let cursor = sessionStorage.getItem("cursor") || ""; // the name of the row that had the focus last
// The place of that row in its table, counted from the head. A page that was loaded anew knows the place while an
// incident is open, because the row of that incident may have left the list.
let cursorAt = byId("incident") ? Number(sessionStorage.getItem("cursorAt")) : 0;

/**
 * Functions by the name that the key sheet gives them. A function returns whether it did anything.
 * @type {Record<string, (key: string) => unknown>}
 */
const FUNCTIONS = {
  "next-row": () => move(1),
  "previous-row": () => move(-1),
  "open-row": openRow,
  "previous-incident": () => step(-1),
  "next-incident": () => step(1),
  select,
  "select-down": () => extend(1),
  "select-up": () => extend(-1),
  act,
  undo,
  search,
  "copy-link": copyLink,
  "copy-name": copyName,
  snoozed: () => go("?folder=snoozed"),
  doctor: (key) => activate(key) || activate(keyOf("integrations")),
  "key-sheet": showSheet,
};
/** @type {Record<string, string>} */
const ALIKE = { ArrowDown: "next-row", ArrowUp: "previous-row" };
const namesByKey = new Map(
  all("[data-shortcut]", sheet.content).map(({ dataset }) => [dataset.shortcut ?? "", dataset.does ?? ""]),
);

/** @param {string} name */
const keyOf = (name) => [...namesByKey].find(([, each]) => each === name)?.[0] ?? "";

// --- Elements that carry a key

/**
 * Return the element that carries a key: a visible one, or one in a menu that is visible.
 * @param {string} key
 */
function carrier(key) {
  const carriers = all(`[data-key="${CSS.escape(key)}"]`).filter((each) => {
    const isVisible = each.checkVisibility() || each.closest("details.menu")?.checkVisibility();
    return isVisible && !each.matches(":disabled");
  });
  const table = document.activeElement?.closest("table");
  return carriers.find((each) => table?.contains(each)) || carriers[0];
}

/** @param {string} key */
function activate(key) {
  const found = carrier(key);
  if (!found) return false;
  if (found.matches("input:not([type=checkbox]), textarea")) found.focus();
  else found.click();
  return true;
}

/**
 * Undo the last action. The newest toast offers it; where that toast offers no undo, the server knows the last action.
 * @param {string} key
 */
function undo(key) {
  const newest = all("#toasts .toast").at(-1);
  const offered = newest && first(`[data-key="${CSS.escape(key)}"]`, newest);
  if (!offered) return activate(key);
  offered.click();
  return true;
}

function search() {
  const field = byId("q");
  if (field instanceof HTMLInputElement) field.select();
  else go("");
  return true;
}

/** @param {string} query */
function go(query) {
  const brand = document.querySelector(".brand");
  if (brand instanceof HTMLAnchorElement) location.assign(brand.href + query);
  return true;
}

/**
 * Act on the selected rows, else on the row with the focus, else on the open incident.
 * @param {string} key
 */
function act(key) {
  const row = focusedRow();
  const box = row && first("[name=incident]", row);
  const isOpen = row && linkOf(row)?.ariaCurrent === "true";
  const isAnySelected = inputs("[name=incident]").some((each) => each.checked);
  if (box && !isOpen && !isAnySelected) {
    box.click();
    selected = box.id;
  }
  return activate(key);
}

/** Clear the box that only a key has ticked: the next action is for the row that has the focus by then. */
function clearSelected() {
  const box = selected && byId(selected);
  if (box instanceof HTMLInputElement && box.checked) box.click();
  selected = "";
}
dialog.addEventListener("close", clearSelected);
document.addEventListener(BULK_BEGUN, clearSelected);

// --- Rows
// The cursor is the focus. It keeps its place where an incident is closed or the page is loaded anew, even if its row
// has left.

function currentTable() {
  const here = document.activeElement?.closest("table");
  if (here?.querySelector(LINK)) return here;
  return [...document.querySelectorAll("table")].find((each) => each.checkVisibility() && each.querySelector(LINK));
}

const rows = () => [...(currentTable()?.rows || [])].filter((row) => row.checkVisibility());

/** @param {Element | null | undefined} row */
const linkOf = (row) => (row ? first(LINK, row) : null);

/** @param {HTMLTableRowElement} row */
const nameOf = (row) => row.dataset.key || linkOf(row)?.id || "";

/**
 * Return the next row that has a link. A row that stands for one which left has none.
 * @template {Element} R
 * @param {R[]} rows
 * @param {number} at
 * @param {number} by
 */
function beside(rows, at, by) {
  for (let place = at + by; rows[place]; place += by) if (linkOf(rows[place])) return rows[place];
  return null;
}

/**
 * Return the place of a row; where there is no such row any more, the place at which the cursor was.
 * @param {HTMLTableRowElement[]} rows
 * @param {(row: HTMLTableRowElement) => boolean} isIt
 * @param {number} by
 */
function placeOf(rows, isIt, by) {
  const at = rows.findIndex(isIt);
  if (at >= 0) return at;
  return cursorAt ? Math.min(cursorAt, rows.length) - (by > 0 ? 1 : 0) : 0;
}

/** @param {number} by */
function move(by) {
  const every = rows();
  if (!every.some(linkOf)) return false;
  const here = rowAround(document.activeElement);
  /** @param {HTMLTableRowElement} row */
  const isCursor = (row) => {
    if (here && every.includes(here)) return row === here;
    return cursor ? nameOf(row) === cursor : linkOf(row)?.ariaCurrent === "true";
  };
  const at = placeOf(every, isCursor, by);
  const row = beside(every, at, at ? by : 1) || every[at];
  const link = linkOf(row);
  if (link) {
    link.focus();
    row.scrollIntoView({ block: "nearest" });
  }
  return true;
}

function focusedRow() {
  const row = rowAround(document.activeElement);
  return linkOf(row) ? row : null;
}

function openRow() {
  const link = linkOf(focusedRow());
  link?.click();
  return Boolean(link);
}

/** @param {number} by */
function step(by) {
  const open = byId("incident")?.dataset.key;
  if (!open) return false;
  /** @type {HTMLTableRowElement[]} */
  const every = [...document.querySelectorAll("#rows tr")].filter((row) => row instanceof HTMLTableRowElement);
  const at = placeOf(every, (each) => each.dataset.key === open, by);
  const row = beside(every, at, by);
  const link = linkOf(row);
  if (row && link) {
    if (focusedRow()) link.focus(); // the cursor follows, so that the next key is about this incident
    remember(row);
    link.click();
  } else announce(by > 0 ? "This is the last incident of the page" : "This is the first incident of the page");
  return true;
}

/** @param {HTMLTableRowElement} row */
function remember(row) {
  cursor = nameOf(row);
  cursorAt = row.rowIndex;
  sessionStorage.setItem("cursor", cursor);
  sessionStorage.setItem("cursorAt", String(cursorAt));
}

function focusedBox() {
  const row = focusedRow();
  return row ? inputs("input[type=checkbox]", row)[0] : undefined;
}

function select() {
  const box = focusedBox();
  box?.click();
  return Boolean(box);
}

/** @param {number} by */
function extend(by) {
  const tick = () => {
    const box = focusedBox();
    if (box && !box.checked) box.click();
    return box;
  };
  if (!tick()) return false;
  move(by);
  tick();
  return true;
}

// --- Copying

function copyLink() {
  const link = linkOf(focusedRow());
  copy(link instanceof HTMLAnchorElement ? link.href : location.href, "The link is copied");
  return true;
}

function copyName() {
  const link = linkOf(focusedRow());
  const name = link ? link.title : first(".incident-title")?.textContent;
  if (name) copy(name.trim(), "The name is copied");
  return Boolean(name);
}

/**
 * @param {string} text
 * @param {string} told
 */
async function copy(text, told) {
  try {
    await navigator.clipboard.writeText(text);
    announce(told);
  } catch {
    announce("This browser gives no access to the clipboard");
  }
}

function showSheet() {
  dialog.replaceChildren(sheet.content.cloneNode(true));
  dialog.showModal();
  first("[data-dismiss]", dialog)?.focus();
  return true;
}

// --- Pressing

/** @param {EventTarget | null} target */
const isTyping = (target) =>
  closest(target, "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");

/** @param {KeyboardEvent} event */
function nameOfKey(event) {
  const { key, shiftKey } = event;
  if (ALIKE[key] && !shiftKey) return keyOf(ALIKE[key]);
  return shiftKey && key.startsWith("Arrow") ? `Shift+${key}` : key;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const key = nameOfKey(event);
  const sequence = begun && Date.now() - begunAt < SEQUENCE ? `${begun} ${key}` : key;
  begun = "";
  const pressed = namesByKey.has(sequence) ? sequence : key;
  const name = namesByKey.get(pressed);
  if (name) {
    if ((FUNCTIONS[name] ?? activate)(pressed)) event.preventDefault();
  } else if ([...namesByKey.keys()].some((each) => each.startsWith(`${key} `))) {
    begun = key;
    begunAt = Date.now();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !(event.target instanceof HTMLElement)) return;
  const form = "form" in event.target ? event.target.form : null;
  if (!(form instanceof HTMLFormElement)) return;
  event.preventDefault();
  const isComplete = form.checkValidity();
  form.requestSubmit(form.querySelector("[type=submit]"));
  if (isComplete && !form.closest("dialog")) event.target.blur(); // the next keys are commands again
});
document.addEventListener("focusin", ({ target }) => {
  const row = rowAround(target);
  if (row && linkOf(row)) remember(row);
});
document.addEventListener("click", ({ target }) => {
  if (closest(target, "#show-keys")) showSheet();
});
