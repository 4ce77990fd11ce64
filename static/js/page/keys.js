/* The keyboard. One table names each key and what it does; the key sheet is made of it.
   A key without a deed of its own here activates what carries it: `data-key="e"` on a link, a button or a field, named as browsers name keys (`U` is Shift+u).
   Keys are off while somebody types and while a dialog is open. */
"use strict";
(() => {
  const SEQUENCE = 1500; // milliseconds between the keys of "g i"
  const ROW = ".row-link, .alert-link";
  const dialog = document.getElementById("dialog");
  const announcer = document.getElementById("announcer");
  let begun = ""; // the first key of a sequence
  let begunAt = 0;
  let chosen = ""; // the box that an action's key has ticked
  let cursor = sessionStorage.getItem("cursor") || ""; // what names the row that was last under the cursor
  // Its place in its table, counted from the head; a page made anew knows it for the sake of an open incident that just left the list.
  let cursorAt = document.getElementById("incident") ? Number(sessionStorage.getItem("cursorAt")) : 0;

  const KEYS = {
    "Move": [
      ["j", "Next row", () => move(1)],
      ["k", "Previous row", () => move(-1)],
      ["o", "Open the row; Enter does too", openRow],
      ["[", "Previous incident", () => step(-1)],
      ["]", "Next incident", () => step(1)],
      ["Escape", "Close, back to the row"],
    ],
    "Select": [
      ["x", "Select the row", select],
      ["Shift+ArrowDown", "Select on to the next row", () => extend(1)],
      ["Shift+ArrowUp", "Select on to the previous row", () => extend(-1)],
      ["X", "Select all of the page"],
      ["* a", "Select all that match"],
    ],
    "Act": [
      ["e", "Resolve", () => act("e")],
      ["a", "Acknowledge", () => act("a")],
      ["m", "Assign to me", () => act("m")],
      ["s", "Snooze", () => act("s")],
      ["c", "Comment", () => act("c")],
      ["S", "Share", () => act("S")],
      ["M", "Merge the selected", () => act("M")],
      ["z", "Undo the last action", undo],
    ],
    "Look": [
      ["w", "Why these alerts are together"],
      ["t", "Timeline"],
      ["/", "Search", search],
      ["p", "Pause or resume live updates"],
      ["u", "Copy a link to this", copyLink],
      ["y", "Copy the name of the row, or of what is open", copyName],
      ["U", "Times in UTC, or in your zone"],
    ],
    "Go to": [
      ["g i", "Incidents"],
      ["g s", "Snoozed", () => go("?folder=snoozed")],
      ["g k", "Integrations and their keys"],
      ["g d", "Doctor of the integration, or the integrations", () => activate("g d") || activate("g k")],
    ],
    "Help": [
      ["?", "This list", showSheet],
      ["Ctrl+k", "Command box; ⌘K on a Mac"],
      ["Ctrl+Enter", "Send what you write, as its button does; ⌘Enter on a Mac"],
    ],
  };
  const ALIKE = { "ArrowDown": "j", "ArrowUp": "k" };
  const deeds = new Map(Object.values(KEYS).flat().map(([key, , deed]) => [key, deed || (() => activate(key))]));

  /* What carries a key, where it can be seen, or its menu can. */
  function carrier(key) {
    const isSeen = (element) => element.checkVisibility() || element.closest("details.menu")?.checkVisibility();
    const all = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].filter((element) => isSeen(element) && !element.disabled);
    const here = document.activeElement?.closest("table");
    return all.find((element) => here?.contains(element)) || all[0];
  }

  function activate(key) {
    const element = carrier(key);
    if (!element) return false;
    if (element.matches("input:not([type=checkbox]), textarea")) element.focus();
    else element.click();
    return true;
  }

  /* Of several toasts the newest tells the last action; what stays there is older, or not done yet, and the server knows. */
  function undo() {
    const offered = [...document.querySelectorAll("#toasts .toast")].at(-1)?.querySelector("[data-key=z]");
    if (!offered) return activate("z");
    offered.click();
    return true;
  }

  function search() {
    const field = document.getElementById("q");
    if (field) field.select();
    else go("");
    return true;
  }

  function go(query) {
    location.assign(document.querySelector(".brand").href + query);
    return true;
  }

  /* An action is for what is selected, else for the row under the cursor, else for the open incident. */
  function act(key) {
    const row = underCursor();
    const box = row?.querySelector("[name=incident]");
    const isOpen = row?.querySelector(ROW).ariaCurrent === "true";
    const isAnySelected = [...document.querySelectorAll("[name=incident]")].some((each) => each.checked);
    if (box && !isOpen && !isAnySelected) {
      box.click();
      chosen = box.id;
    }
    return activate(key);
  }

  /* A question that was answered or not leaves no row chosen that only a key had: the next action is for wherever the cursor is by then. */
  function leave() {
    const box = chosen && document.getElementById(chosen);
    if (box?.checked) box.click();
    chosen = "";
  }
  dialog?.addEventListener("close", leave);
  document.addEventListener("console:begun", leave);

  /* Rows: the cursor is the focus. It stays where it was when an incident is closed or the page is shown anew, also where its row has left since. */
  function table() {
    const here = document.activeElement?.closest("table");
    return here?.querySelector(ROW) ? here : [...document.querySelectorAll("table")].find((each) => each.checkVisibility() && each.querySelector(ROW));
  }

  const rows = () => [...(table()?.rows || [])].filter((row) => row.checkVisibility());
  const linkOf = (row) => row?.querySelector(ROW);
  const nameOf = (row) => row?.dataset.key || linkOf(row)?.id || "";

  /* The next row from a place that somebody can be on: one that has just left is told, and passed over. */
  function beside(all, at, by) {
    for (let place = at + by; all[place]; place += by) if (linkOf(all[place])) return all[place];
    return null;
  }

  /* Where a row is, or where the cursor was when there was still such a row. */
  function place(all, isIt, by) {
    const at = all.findIndex(isIt);
    if (at >= 0) return at;
    return cursorAt ? Math.min(cursorAt, all.length) - (by > 0 ? 1 : 0) : 0;
  }

  function move(by) {
    const all = rows();
    if (!all.some(linkOf)) return false;
    const here = document.activeElement?.closest("tr");
    const isCursor = all.includes(here) ? (row) => row === here : cursor ? (row) => nameOf(row) === cursor : (row) => linkOf(row)?.ariaCurrent === "true";
    const at = place(all, isCursor, by);
    const row = beside(all, at, at ? by : 1) || all[at];
    if (linkOf(row)) {
      linkOf(row).focus();
      row.scrollIntoView({ block: "nearest" });
    }
    return true;
  }

  function underCursor() {
    const row = document.activeElement?.closest("tr");
    return linkOf(row) ? row : null;
  }

  function openRow() {
    const link = linkOf(underCursor());
    link?.click();
    return Boolean(link);
  }

  function step(by) {
    const open = document.getElementById("incident")?.dataset.key;
    if (!open) return false;
    const all = [...document.querySelectorAll("#rows tr")];
    const row = beside(all, place(all, (each) => each.dataset.key === open, by), by);
    if (row) {
      if (underCursor()) linkOf(row).focus(); // the cursor goes along: what comes next is about this one
      remember(row);
      linkOf(row).click();
    } else announcer.textContent = by > 0 ? "This is the last incident of the page" : "This is the first incident of the page";
    return true;
  }

  function remember(row) {
    cursor = nameOf(row);
    cursorAt = row.rowIndex;
    sessionStorage.setItem("cursor", cursor);
    sessionStorage.setItem("cursorAt", cursorAt);
  }

  function select() {
    const box = underCursor()?.querySelector("input[type=checkbox]");
    box?.click();
    return Boolean(box);
  }

  function extend(by) {
    const box = () => underCursor()?.querySelector("input[type=checkbox]");
    if (!box()) return false;
    if (!box().checked) box().click();
    move(by);
    if (!box().checked) box().click();
    return true;
  }

  function copyLink() {
    copy(linkOf(underCursor())?.href || location.href, "The link is copied");
    return true;
  }

  function copyName() {
    const link = linkOf(underCursor());
    const name = link ? link.title : document.querySelector(".incident-title")?.textContent;
    if (name) copy(name.trim(), "The name is copied");
    return Boolean(name);
  }

  async function copy(text, told) {
    try {
      await navigator.clipboard.writeText(text);
      announce(told);
    } catch {
      announce("This browser gives no access to the clipboard");
    }
  }

  function announce(text) {
    announcer.textContent = text;
  }

  /* The key sheet */
  const shown = (key) => key.split(" ").map((part) => (/^[A-Z]$/.test(part) ? `Shift+${part.toLowerCase()}` : part.replace("Arrow", "").replace("Escape", "Esc")));

  function element(name, attributes, ...children) {
    const made = Object.assign(document.createElement(name), attributes);
    made.append(...children);
    return made;
  }

  function showSheet() {
    const parts = Object.entries(KEYS).map(([group, keys]) => element("section", {}, element("h3", { textContent: group }), element("dl", {}, ...keys.map(([key, does]) => element("div", {},
      element("dt", {}, ...shown(key).map((part) => element("kbd", { textContent: part }))), element("dd", { textContent: does }))))));
    const close = element("a", { className: "button", href: "#", textContent: "Close" });
    close.dataset.dismiss = "";
    dialog.replaceChildren(element("h2", { id: "dialog-title", textContent: "Keys" }), element("div", { className: "key-sheet" }, ...parts), element("div", { className: "ask-buttons" }, close));
    dialog.showModal();
    close.focus();
    return true;
  }

  /* Keys as they are pressed */
  const isTyping = (target) => target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");

  function named(event) {
    const key = ALIKE[event.key] && !event.shiftKey ? ALIKE[event.key] : event.key;
    return event.shiftKey && key.startsWith("Arrow") ? `Shift+${key}` : key;
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const key = named(event);
    const sequence = begun && Date.now() - begunAt < SEQUENCE ? `${begun} ${key}` : key;
    begun = "";
    const deed = deeds.get(sequence) || deeds.get(key);
    if (deed) {
      if (key !== "Escape" && deed()) event.preventDefault();
    } else if ([...deeds.keys()].some((each) => each.startsWith(`${key} `))) {
      begun = key;
      begunAt = Date.now();
    }
  });
  document.addEventListener("keydown", (event) => {
    const form = event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.form;
    if (!form) return;
    event.preventDefault();
    const isComplete = form.checkValidity();
    form.requestSubmit(form.querySelector("[type=submit]"));
    if (isComplete && !form.closest("dialog")) event.target.blur(); // what comes next are keys again
  });
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("tr");
    if (linkOf(row)) remember(row);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("#show-keys")) showSheet();
  });
})();
