/* Selecting rows: one, a range with Shift, all of the page, or all that match. The bar with what can be done shows while something is selected. */
"use strict";
(() => {
  const bar = document.getElementById("bulk");
  const page = document.getElementById("check-page");
  const rows = document.getElementById("rows");
  if (!bar || !rows) return;
  const all = document.getElementById("bulk-all");
  let last = null; // the box that was clicked before, where a range begins

  const boxes = () => [...rows.tBodies[0].querySelectorAll("[name=incident]")];

  function show() {
    const every = boxes();
    const chosen = every.filter((box) => box.checked);
    page.checked = chosen.length > 0 && chosen.length === every.length;
    page.indeterminate = chosen.length > 0 && !page.checked;
    if (!page.checked) all.checked = false;
    bar.hidden = !chosen.length;
    bar.querySelector(".bulk-all").hidden = !page.checked;
    const matching = document.getElementById("feed").dataset.matching;
    document.getElementById("bulk-all-words").textContent = `All ${matching ? `${Number(matching).toLocaleString("en")} ` : ""}matching`;
    document.getElementById("bulk-count").textContent = all.checked ? "All matching selected" : `${chosen.length} selected`;
  }

  rows.addEventListener("click", (event) => {
    const box = event.target.closest("[name=incident]");
    if (!box) return;
    const every = boxes();
    if (event.shiftKey && last && every.includes(last)) {
      const [from, to] = [every.indexOf(last), every.indexOf(box)].sort((one, other) => one - other);
      for (const each of every.slice(from, to + 1)) each.checked = box.checked;
    }
    last = box;
    show();
  });
  page.addEventListener("change", () => {
    for (const box of boxes()) box.checked = page.checked;
    show();
  });
  all.addEventListener("change", () => {
    if (all.checked) for (const box of boxes()) box.checked = true;
    show();
  });
  document.addEventListener("console:refreshed", show);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || bar.hidden || document.querySelector("dialog[open]")) return;
    for (const box of boxes()) box.checked = false;
    show();
    event.stopImmediatePropagation();
  }, true);
  show();
})();
