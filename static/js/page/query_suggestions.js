/**
 * Suggestions while a person writes a query: a listbox below the field, for the arrow keys (the combobox pattern of
 * WAI-ARIA).
 */
import { AFTER_SETTLE } from "../events.js";
import { all, byId, closest, element, required } from "../lib/dom.js";

/** @typedef {{ text: string, hint: string, begins: number }} Suggestion The text replaces the query from `begins` on. */

const WAIT = 150; // milliseconds after the last key
/** @type {WeakSet<Element>} Fields that have suggestions already. */
const known = new WeakSet();

/** @param {HTMLInputElement} input */
function assist(input) {
  known.add(input);
  const list = required(input.getAttribute("aria-controls") || "", HTMLElement);
  /** @type {AbortController | null} */
  let asking = null;
  let later = 0;
  /** @type {Suggestion[]} */
  let offered = [];
  let chosen = -1;

  function close() {
    clearTimeout(later);
    asking?.abort();
    list.hidden = true;
    offered = [];
    choose(-1);
    input.setAttribute("aria-expanded", "false");
  }

  /** @param {number} place */
  function choose(place) {
    chosen = place;
    [...list.children].forEach((item, index) => {
      item.setAttribute("aria-selected", String(index === place));
    });
    if (place < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", list.children[place].id);
      list.children[place].scrollIntoView({ block: "nearest" });
    }
  }

  /** @param {number} place */
  function insert(place) {
    const { text, begins } = offered[place];
    const after = input.value.slice(input.selectionStart ?? 0);
    const joined = `${input.value.slice(0, begins)}${text} `;
    input.value = joined + after.trimStart();
    input.setSelectionRange(joined.length, joined.length);
    close();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** @param {Suggestion[]} suggestions */
  function show(suggestions) {
    offered = suggestions;
    list.replaceChildren(
      ...suggestions.map(({ text, hint }, index) => {
        const word = element("span", { textContent: text });
        const meaning = element("span", { className: "hint", textContent: hint });
        const item = element("li", { id: `${list.id}-${index}` }, word, meaning);
        item.setAttribute("role", "option");
        return item;
      }),
    );
    list.hidden = !suggestions.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    choose(-1);
  }

  async function ask() {
    asking?.abort();
    asking = new AbortController();
    const before = input.value.slice(0, input.selectionStart ?? 0);
    try {
      const reply = await fetch(`${input.dataset.suggest}?${new URLSearchParams({ q: before })}`, {
        signal: asking.signal,
      });
      if (reply.ok && document.activeElement === input) show((await reply.json()).suggestions);
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "AbortError") close();
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(ask, WAIT);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && list.hidden) return void ask();
    if (event.key === "Enter" && chosen < 0) return close(); // the query is sent as it stands, and no answer comes after it
    if (list.hidden) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) choose((chosen + step + offered.length + (chosen < 0 && step < 0 ? 1 : 0)) % offered.length);
    else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) insert(chosen);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  list.addEventListener("pointerdown", (event) => {
    const item = closest(event.target, "[role=option]");
    event.preventDefault(); // the field keeps the focus
    if (item) insert([...list.children].indexOf(item));
  });
  input.addEventListener("blur", close);
}

function assistNew() {
  for (const input of all("[data-suggest]")) if (input instanceof HTMLInputElement && !known.has(input)) assist(input);
}

document.addEventListener(AFTER_SETTLE, assistNew);
assistNew();

document.addEventListener("click", ({ target }) => {
  const box = byId("more-filters");
  if (box?.hasAttribute("open") && !(target instanceof Node && box.contains(target))) box.removeAttribute("open");
});
