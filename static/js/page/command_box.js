/* The command box on Ctrl+K or ⌘K: whatever this page lets one do or go to, found by a few letters. It presses the page's own links and buttons. */
"use strict";
(() => {
  const LIMIT = 12;
  const RECENT = 8;
  const box = document.getElementById("command");
  if (!box) return;
  const input = box.querySelector("input");
  const list = box.querySelector("[role=listbox]");
  let commands = [];
  let found = [];
  let chosen = 0;

  function wordsOf(element) {
    const copy = element.cloneNode(true);
    for (const each of copy.querySelectorAll(".count, svg, .visually-hidden:not(:only-child)")) each.remove();
    return copy.textContent.trim().replace(/\s+/g, " ") || element.title;
  }

  /* What a button or page is, where its title says more than the little that stands on it; the key is told beside it. */
  const titled = (element) => element.title.replace(/ \([^()]+\)$/, "") || wordsOf(element);

  const pressing = (group, element, text = wordsOf(element)) => ({ group, text, key: element.dataset.key, run: () => element.click() });

  /* The environments stand beside the feed; elsewhere its page is asked for them. */
  async function rail() {
    const here = document.getElementById("rail");
    if (here) return here;
    const reply = await fetch(document.querySelector(".brand").href);
    return new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("rail");
  }

  function placesIn(rail) {
    const here = location.origin;
    return [...(rail?.querySelectorAll("a[href]:not([href^='#'])") || [])].map((link) => {
      const environment = link.closest("details")?.querySelector("summary");
      const name = environment ? wordsOf(environment) : "";
      const text = name && name !== wordsOf(link) ? `${name} · ${wordsOf(link)}` : wordsOf(link);
      return { group: "Go to", text, run: () => location.assign(new URL(link.getAttribute("href"), here)) };
    });
  }

  function gather() {
    const bar = [...document.querySelectorAll("#bulk button")].filter((each) => each.checkVisibility()).map((each) => pressing("The selected", each));
    const incident = [...document.querySelectorAll("#incident .actions :is(a, button), .tabs a")].map((each) => pressing("This incident", each));
    const keyed = [...document.querySelectorAll("[data-key]:is(a, button)")].filter((each) => each.checkVisibility() && !each.closest("#incident, #bulk, .topnav")).map((each) => pressing("Do", each, titled(each)));
    const pages = [...document.querySelectorAll(".topnav a, .me a")].map((each) => pressing("Go to", each, titled(each)));
    const rows = [...document.querySelectorAll(".row-link")].map((each) => pressing("Open", each));
    const searches = recent().map((text) => ({ group: "Searched before", text, run: () => search(text) }));
    return [...bar, ...incident, ...keyed, ...pages, ...searches, ...rows].filter(({ text }) => text);
  }

  /* Searches made before, the newest first */
  const recent = () => JSON.parse(localStorage.getItem("searches") || "[]");

  function remember() {
    const text = new URLSearchParams(location.search).get("q");
    if (text) localStorage.setItem("searches", JSON.stringify([text, ...recent().filter((each) => each !== text)].slice(0, RECENT)));
  }

  function search(text) {
    location.assign(`${document.querySelector(".brand").href}?${new URLSearchParams({ q: text })}`);
  }

  /* The places of the letters asked for, in their order; each counts more at a word's beginning or beside the one before. Null: not all are there. */
  function match(text, asked) {
    const lower = text.toLowerCase();
    const places = [];
    let score = 0;
    for (const letter of asked) {
      const from = places.length ? places.at(-1) + 1 : 0;
      const start = [...lower.matchAll(/(?<=^|[^\p{L}\p{N}])./gu)].map(({ index }) => index).find((index) => index >= from && lower[index] === letter);
      const next = lower[from] === letter && places.length ? from : start ?? lower.indexOf(letter, from);
      if (next < 0) return null;
      score += next === from ? 3 : next === start ? 2 : 0;
      places.push(next);
    }
    return { places, score: score - text.length / 100 };
  }

  function find() {
    const asked = input.value.trim().toLowerCase();
    const letters = asked.replace(/\s+/g, "");
    const scored = commands.map((command) => ({ ...command, match: match(command.text, letters) })).filter((command) => command.match);
    if (letters) scored.sort((one, other) => other.match.score - one.match.score);
    found = scored.slice(0, LIMIT);
    if (asked) found.push({ group: "Search", text: `Search incidents for “${input.value.trim()}”`, match: { places: [] }, run: () => search(input.value.trim()) });
    chosen = 0;
    show();
  }

  function marked({ text, match: { places } }) {
    return [...text].map((letter, place) => {
      if (!places.includes(place)) return letter;
      const mark = document.createElement("mark");
      mark.textContent = letter;
      return mark;
    });
  }

  function option(command, place) {
    const item = document.createElement("li");
    item.id = `command-${place}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(place === chosen));
    const words = document.createElement("span");
    words.append(...marked(command));
    const group = document.createElement("span");
    group.className = "command-group";
    group.textContent = command.group;
    item.append(words, group);
    if (command.key) {
      const key = document.createElement("kbd");
      key.textContent = /^[A-Z]$/.test(command.key) ? `Shift+${command.key.toLowerCase()}` : command.key;
      item.append(key);
    }
    return item;
  }

  function show() {
    list.replaceChildren(...found.map(option));
    input.setAttribute("aria-activedescendant", found.length ? `command-${chosen}` : "");
    box.querySelector(".command-none").hidden = found.length > 0;
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
  }

  function run(command) {
    box.close();
    command?.run();
  }

  async function open() {
    input.value = "";
    commands = gather();
    box.showModal();
    find();
    commands.push(...placesIn(await rail()));
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
  list.addEventListener("click", (event) => {
    const item = event.target.closest("[role=option]");
    if (item) run(found[[...list.children].indexOf(item)]);
  });
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  document.addEventListener("htmx:pushedIntoHistory", remember);
  remember();
})();
