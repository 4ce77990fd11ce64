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
