/* Suggestions while a query is written: a listbox under the box, driven by the arrow keys (WAI-ARIA combobox). */
"use strict";
(() => {
  const WAIT = 150; // ms after the last key

  const known = new WeakSet();

  function assist(input) {
    known.add(input);
    const list = document.getElementById(input.getAttribute("aria-controls"));
    let asking = null;
    let later = 0;
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

    function choose(place) {
      chosen = place;
      [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === place)));
      if (place < 0) input.removeAttribute("aria-activedescendant");
      else {
        input.setAttribute("aria-activedescendant", list.children[place].id);
        list.children[place].scrollIntoView({ block: "nearest" });
      }
    }

    function take(place) {
      const { text, begins } = offered[place];
      const after = input.value.slice(input.selectionStart);
      const joined = `${input.value.slice(0, begins)}${text} `;
      input.value = joined + after.trimStart();
      input.setSelectionRange(joined.length, joined.length);
      close();
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }

    function show(suggestions) {
      offered = suggestions;
      list.replaceChildren(...suggestions.map(({ text, hint }, index) => {
        const item = document.createElement("li");
        item.id = `${list.id}-${index}`;
        item.setAttribute("role", "option");
        const word = document.createElement("span");
        word.textContent = text;
        const means = document.createElement("span");
        means.className = "hint";
        means.textContent = hint;
        item.append(word, means);
        return item;
      }));
      list.hidden = !suggestions.length;
      input.setAttribute("aria-expanded", String(!list.hidden));
      choose(-1);
    }

    async function ask() {
      asking?.abort();
      asking = new AbortController();
      const before = input.value.slice(0, input.selectionStart);
      try {
        const reply = await fetch(`${input.dataset.suggest}?${new URLSearchParams({ q: before })}`, { signal: asking.signal });
        if (reply.ok && document.activeElement === input) show((await reply.json()).suggestions);
      } catch (error) {
        if (error.name !== "AbortError") close();
      }
    }

    input.addEventListener("input", () => { clearTimeout(later); later = setTimeout(ask, WAIT); });
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" && list.hidden) return void ask();
      if (list.hidden) return;
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) choose((chosen + step + offered.length + (chosen < 0 && step < 0 ? 1 : 0)) % offered.length);
      else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) take(chosen);
      else if (event.key === "Escape") close();
      else {
        if (event.key === "Enter") close(); // it is asked as it stands
        return;
      }
      event.preventDefault();
      event.stopPropagation();
    });
    list.addEventListener("pointerdown", (event) => {
      const item = event.target.closest("[role=option]");
      event.preventDefault(); // the box keeps the focus
      if (item) take([...list.children].indexOf(item));
    });
    input.addEventListener("blur", close);
  }

  const look = () => { for (const input of document.querySelectorAll("[data-suggest]")) if (!known.has(input)) assist(input); };
  document.addEventListener("htmx:afterSettle", look);
  look();

  document.addEventListener("click", (event) => {
    const box = document.getElementById("more-filters");
    if (box?.open && !box.contains(event.target)) box.open = false;
  });
})();
