/** The results of actions: toasts that disappear by themselves, and menus that close. */
import { AFTER_SWAP, BEFORE_SEND, BEFORE_SWAP } from "../events.js";
import { all, byId, closest } from "../lib/dom.js";

const STAYS = 30_000; // milliseconds
const MOST = 2; // toasts on the page; older results are in the incident's history
const toasts = byId("toasts");

/**
 * Move each toast into the corner and remove it later. A toast with `data-stays` remains until a person dismisses it.
 */
function gather() {
  for (const toast of all(".toast")) {
    if (toasts && toast.parentElement !== toasts) toasts.append(toast);
    if ("stays" in toast.dataset || toast.dataset.goes) continue;
    toast.dataset.goes = "soon";
    setTimeout(() => toast.remove(), STAYS);
  }
  for (const old of all(".toast[data-goes]").slice(0, -MOST)) old.remove();
}

/** @param {Element | null} except */
function closeMenus(except) {
  for (const menu of all("details.menu[open]")) if (menu !== except) menu.removeAttribute("open");
}

// A person may have opened another incident before a reply for the pane arrives. Such a late reply does not replace the
// pane; only its toasts are shown.
/** @type {WeakMap<XMLHttpRequest, number>} The number of each request. */
const numbers = new WeakMap();
let count = 0;
let newest = 0; // the number of the pane's newest request
document.addEventListener(BEFORE_SEND, ({ detail: { xhr, target } }) => {
  numbers.set(xhr, ++count);
  if (target.id === "pane") newest = count;
});
document.addEventListener(BEFORE_SWAP, ({ detail }) => {
  if (detail.target.id !== "pane" || !detail.shouldSwap || (numbers.get(detail.xhr) ?? newest) >= newest) return;
  detail.shouldSwap = false;
  const { elt } = detail.requestConfig;
  if (elt instanceof HTMLFormElement) elt.reset(); // the server has the form's content
  const late = new DOMParser().parseFromString(detail.serverResponse, "text/html");
  for (const toast of all(".toast", late)) if (toasts) htmx.process(toasts.appendChild(document.adoptNode(toast)));
  gather();
});

document.addEventListener(AFTER_SWAP, gather);
document.addEventListener("click", ({ target }) =>
  closeMenus(closest(target, "summary") ? closest(target, "details.menu") : null),
);
document.addEventListener(
  "keydown",
  (event) => {
    const menu = event.key === "Escape" && closest(event.target, "details.menu[open]");
    if (!menu) return;
    event.stopPropagation();
    menu.removeAttribute("open");
    menu.querySelector("summary")?.focus();
  },
  true,
);
gather();
