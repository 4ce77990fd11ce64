/* What follows an action: toasts that go by themselves, and menus that close. */
"use strict";
(() => {
  const STAYS = 30_000;
  const AT_ONCE = 2; // older ones are in the history
  const toasts = document.getElementById("toasts");

  /* A result is told in the corner for half a minute, wherever the server put it. What is at work, or waits to be read, stays. */
  function gather() {
    for (const toast of document.querySelectorAll(".toast")) {
      if (toasts && toast.parentElement !== toasts) toasts.append(toast);
      if ("stays" in toast.dataset || toast.dataset.goes) continue;
      toast.dataset.goes = "soon";
      setTimeout(() => toast.remove(), STAYS);
    }
    for (const old of [...document.querySelectorAll(".toast[data-goes]")].slice(0, -AT_ONCE)) old.remove();
  }

  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.removeAttribute("open");
  }

  /* Who has gone on meanwhile is not brought back by an answer that comes late; what it tells stands in the corner all the same. */
  const asked = new WeakMap(); // request -> its place among all
  let count = 0;
  let newest = 0; // of those for the pane
  document.addEventListener("htmx:beforeSend", ({ detail: { xhr, target } }) => {
    asked.set(xhr, ++count);
    if (target.id === "pane") newest = count;
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.target.id !== "pane" || !detail.shouldSwap || asked.get(detail.xhr) >= newest) return;
    detail.shouldSwap = false;
    detail.requestConfig.elt.reset?.(); // what was written there has been taken
    const late = new DOMParser().parseFromString(detail.serverResponse, "text/html");
    for (const toast of late.querySelectorAll(".toast")) htmx.process(toasts.appendChild(document.adoptNode(toast)));
    gather();
  });

  document.addEventListener("htmx:afterSwap", gather);
  document.addEventListener("click", (event) => closeMenus(event.target.closest("summary") ? event.target.closest("details.menu") : null));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest("details.menu[open]");
    if (!menu) return;
    event.stopPropagation();
    menu.removeAttribute("open");
    menu.querySelector("summary").focus();
  }, true);
  gather();
})();
