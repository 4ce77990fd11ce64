/**
 * The command box on Ctrl+K or ⌘K. It finds what this page can do or lead to by a few letters, and presses the page's
 * own links and buttons.
 */
import { PUSHED_INTO_HISTORY } from "../events.js";
import { all, byId, closest, element, first, required } from "../lib/dom.js";

/** @typedef {{ group: string, text: string, key?: string, run: () => void }} Command */
/** @typedef {{ places: number[], score: number }} Match The places of the found letters in the command's text. */
/** @typedef {Command & { match: Match }} Found */

const LIMIT = 12; // commands that are shown
const RECENT = 8; // searches that are remembered
const box = required("command", HTMLDialogElement);
const input = /** @type {HTMLInputElement} */ (first("input", box));
const list = /** @type {HTMLElement} */ (first("[role=listbox]", box));
const noneFound = /** @type {HTMLElement} */ (first(".command-none", box));
const brand = /** @type {HTMLAnchorElement} */ (first(".brand")); // leads to the feed
/** @type {Command[]} */
let commands = [];
/** @type {Found[]} */
let found = [];
let chosen = 0;

// --- The commands of this page

/** @param {HTMLElement} carrier A link or a button. */
function wordsOf(carrier) {
  const copy = /** @type {HTMLElement} */ (carrier.cloneNode(true));
  for (const each of all(".count, svg, .visually-hidden:not(:only-child)", copy)) each.remove();
  return (copy.textContent || "").trim().replace(/\s+/g, " ") || carrier.title;
}

/**
 * Return the title of a link or button, which says more than its words, without the key at the end.
 * @param {HTMLElement} carrier
 */
const titleOf = (carrier) => carrier.title.replace(/ \([^()]+\)$/, "") || wordsOf(carrier);

/**
 * @param {string} group
 * @param {HTMLElement} carrier
 * @param {string} text
 * @returns {Command}
 */
const pressing = (group, carrier, text = wordsOf(carrier)) => ({
  group,
  text,
  key: carrier.dataset.key,
  run: () => carrier.click(),
});

function gather() {
  const bar = all("#bulk button").filter((each) => each.checkVisibility());
  const incident = all("#incident .actions :is(a, button), .tabs a");
  const keyed = all("[data-key]:is(a, button)").filter(
    (each) => each.checkVisibility() && !each.closest("#incident, #bulk, .topnav"),
  );
  return [
    ...bar.map((each) => pressing("The selected", each)),
    ...incident.map((each) => pressing("This incident", each)),
    ...keyed.map((each) => pressing("Do", each, titleOf(each))),
    ...all(".topnav a, .me a").map((each) => pressing("Go to", each, titleOf(each))),
    ...recent().map((text) => ({ group: "Searched before", text, run: () => search(text) })),
    ...all(".row-link").map((each) => pressing("Open", each)),
  ].filter(({ text }) => text);
}

/** Return the sidebar. A page without one asks the server for the feed's. */
async function sidebar() {
  const here = byId("sidebar");
  if (here) return here;
  const reply = await fetch(brand.href);
  return new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("sidebar");
}

/**
 * Return commands that go to the environments and their folders.
 * @param {HTMLElement | null} sidebar
 */
function placesIn(sidebar) {
  if (!sidebar) return [];
  return all("a[href]:not([href^='#'])", sidebar).map((link) => {
    const environment = /** @type {HTMLElement | null | undefined} */ (
      link.closest("details")?.querySelector("summary")
    );
    const name = environment ? wordsOf(environment) : "";
    const text = name && name !== wordsOf(link) ? `${name} · ${wordsOf(link)}` : wordsOf(link);
    return {
      group: "Go to",
      text,
      run: () => location.assign(new URL(link.getAttribute("href") || "", location.origin)),
    };
  });
}

// --- Searches made before, the newest first

/** @returns {string[]} */
const recent = () => JSON.parse(localStorage.getItem("searches") || "[]");

function remember() {
  const text = new URLSearchParams(location.search).get("q");
  if (!text) return;
  const searches = [text, ...recent().filter((each) => each !== text)].slice(0, RECENT);
  localStorage.setItem("searches", JSON.stringify(searches));
}

/** @param {string} text */
function search(text) {
  location.assign(`${brand.href}?${new URLSearchParams({ q: text })}`);
}

// --- Finding

/**
 * Find letters in a text, in their order. A letter scores more at the beginning of a word or beside the letter before.
 * Return null if a letter is missing.
 * @param {string} text
 * @param {string} letters
 * @returns {Match | null}
 */
function match(text, letters) {
  const lower = text.toLowerCase();
  const beginnings = [...lower.matchAll(/(?<=^|[^\p{L}\p{N}])./gu)].map(({ index }) => index);
  /** @type {number[]} */
  const places = [];
  let score = 0;
  for (const letter of letters) {
    const from = places.length ? places[places.length - 1] + 1 : 0;
    const start = beginnings.find((index) => index >= from && lower[index] === letter);
    const next = lower[from] === letter && places.length ? from : (start ?? lower.indexOf(letter, from));
    if (next < 0) return null;
    score += next === from ? 3 : next === start ? 2 : 0;
    places.push(next);
  }
  return { places, score: score - text.length / 100 };
}

function find() {
  const asked = input.value.trim();
  const letters = asked.toLowerCase().replace(/\s+/g, "");
  found = commands.flatMap((command) => {
    const found = match(command.text, letters);
    return found ? [{ ...command, match: found }] : [];
  });
  if (letters) found.sort((one, other) => other.match.score - one.match.score);
  found.splice(LIMIT);
  if (asked) {
    const text = `Search incidents for “${asked}”`;
    found.push({ group: "Search", text, match: { places: [], score: 0 }, run: () => search(asked) });
  }
  chosen = 0;
  show();
}

/** @param {Found} command */
const marked = ({ text, match: { places } }) =>
  [...text].map((letter, place) => (places.includes(place) ? element("mark", { textContent: letter }) : letter));

/**
 * @param {Found} command
 * @param {number} place
 */
function option(command, place) {
  const words = element("span", {}, ...marked(command));
  const group = element("span", { className: "command-group", textContent: command.group });
  const item = element("li", { id: `command-${place}` }, words, group);
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", String(place === chosen));
  if (command.key) {
    const key = /^[A-Z]$/.test(command.key) ? `Shift+${command.key.toLowerCase()}` : command.key;
    item.append(element("kbd", { textContent: key }));
  }
  return item;
}

function show() {
  list.replaceChildren(...found.map(option));
  input.setAttribute("aria-activedescendant", found.length ? `command-${chosen}` : "");
  noneFound.hidden = found.length > 0;
  list.children[chosen]?.scrollIntoView({ block: "nearest" });
}

// --- The box

/** @param {Command | undefined} command */
function run(command) {
  box.close();
  command?.run();
}

async function open() {
  input.value = "";
  commands = gather();
  box.showModal();
  find();
  commands.push(...placesIn(await sidebar()));
  find();
}

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (box.open) box.close();
  else if (!document.querySelector("dialog[open]")) open();
});
input.addEventListener("input", find);
input.addEventListener("keydown", (event) => {
  const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (way) {
    chosen = (chosen + way + found.length) % Math.max(found.length, 1);
    show();
  } else if (event.key === "Enter") run(found[chosen]);
  else return;
  event.preventDefault();
});
list.addEventListener("click", ({ target }) => {
  const item = closest(target, "[role=option]");
  if (item) run(found[[...list.children].indexOf(item)]);
});
box.addEventListener("click", ({ target }) => {
  if (target === box) box.close();
});
document.addEventListener(PUSHED_INTO_HISTORY, remember);
remember();
