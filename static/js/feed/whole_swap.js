/**
 * The swap style `whole` of htmx: parts that are asked for again as a whole, and changed in place.
 * The open incident uses it.
 */
import { AFTER_SWAP } from "../events.js";
import { all, byId } from "../lib/dom.js";
import { remember, update } from "../lib/in_place.js";

/**
 * @param {HTMLElement} old
 * @param {DocumentFragment} fragment
 */
function refreshWhole(old, fragment) {
  const fresh = /** @type {HTMLElement | null} */ (fragment.querySelector(`#${old.id}`));
  if (!fresh || fresh.dataset.key !== old.dataset.key) return;
  const open = all("details[open]", old).map((details) => details.id);
  const shut = all("details:not([open])", old).map((details) => details.id);
  update(old, fresh);
  for (const id of open) byId(id)?.setAttribute("open", "");
  for (const id of shut) byId(id)?.removeAttribute("open");
}

function rememberIncident() {
  const incident = byId("incident");
  if (incident) remember(incident);
}

htmx.defineExtension("whole", {
  isInlineSwap: (style) => style === "whole",
  handleSwap: (style, target, fragment) => {
    if (style !== "whole") return false;
    refreshWhole(target, fragment);
    return [];
  },
});
document.addEventListener(AFTER_SWAP, (event) => {
  if (/** @type {Element} */ (event.target).id === "pane") rememberIncident();
});
rememberIncident();
