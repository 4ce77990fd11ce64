/* Selecting rows of a table: one, a range with Shift, or all of the page; the bar named by `data-bar`, with what can be done, shows while some are, by the stylesheet.
   In the feed all that match can be selected, too. Tables come and go, so all is heard at the document. */
"use strict";
(() => {
  const all = document.getElementById("bulk-all");
  let last = null; // the box that was clicked before, where a range begins

  const tables = () => document.querySelectorAll("table[data-bar]");
  const boxes = (table) => [...table.tBodies[0].querySelectorAll("[type=checkbox]")];
  const isFeed = (table) => table.id === "rows";

  function show(table) {
    const every = boxes(table);
    const page = table.tHead.querySelector("[type=checkbox]");
    const bar = document.getElementById(table.dataset.bar);
    if (!bar) return;
    const count = every.filter((box) => box.checked).length;
    page.checked = count > 0 && count === every.length;
    page.indeterminate = count > 0 && !page.checked;
    if (isFeed(table)) offerAll(page.checked, bar);
    bar.querySelector(".bulk-count").textContent = isFeed(table) && all.checked ? "All selected" : `${count} selected`;
  }

  function offerAll(isWholePage, bar) {
    if (!isWholePage) all.checked = false;
    bar.querySelector(".bulk-all").hidden = !isWholePage;
    const matching = document.getElementById("feed").dataset.matching;
    document.getElementById("bulk-all-words").textContent = `All ${matching ? `${Number(matching).toLocaleString("en")} ` : ""}matching`;
  }

  function showAll() {
    for (const table of tables()) show(table);
  }

  document.addEventListener("click", (event) => {
    const box = event.target.closest("table[data-bar] tbody [type=checkbox]");
    if (!box) return;
    const table = box.closest("table");
    const every = boxes(table);
    if (event.shiftKey && last && every.includes(last)) {
      const [from, to] = [every.indexOf(last), every.indexOf(box)].sort((one, other) => one - other);
      for (const each of every.slice(from, to + 1)) each.checked = box.checked;
    }
    last = box;
    show(table);
  });
  document.addEventListener("change", (event) => {
    const page = event.target.closest("table[data-bar] thead [type=checkbox]");
    const table = page?.closest("table") || (event.target === all && all.checked && document.getElementById("rows"));
    if (!table) return;
    for (const box of boxes(table)) box.checked = event.target.checked;
    show(table);
  });
  function clear(table) {
    for (const box of boxes(table)) box.checked = false;
    show(table);
  }

  document.addEventListener("console:begun", () => { for (const table of tables()) clear(table); });
  document.addEventListener("console:refreshed", showAll);
  document.addEventListener("htmx:afterSettle", showAll);
  document.addEventListener("keydown", (event) => {
    const chosen = [...tables()].filter((table) => boxes(table).some((box) => box.checked));
    if (event.key !== "Escape" || !chosen.length || document.querySelector("dialog[open]")) return;
    for (const table of chosen) clear(table);
    event.stopImmediatePropagation();
  }, true);
  showAll();
})();
