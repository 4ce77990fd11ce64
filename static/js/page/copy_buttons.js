/**
 * Buttons that copy. `data-copy` names the element whose text is copied. Each value of a list of tags gets a button
 * here, because copying needs a script.
 */
import { AFTER_SETTLE } from "../events.js";
import { all, announce, byId, closest, element, required } from "../lib/dom.js";

const SHOWN = 2000; // milliseconds that a button says "Copied"

/**
 * @param {string} text
 * @param {Element} source
 */
async function copy(text, source) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers give no clipboard to pages without https. The selection can be copied nevertheless.
    getSelection()?.selectAllChildren(source);
    document.execCommand("copy");
  }
}

/** @param {Element} button */
function confirm(button) {
  const word = button.querySelector("span");
  if (word) {
    word.textContent = "Copied";
    setTimeout(() => {
      word.textContent = "Copy";
    }, SHOWN);
  }
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), SHOWN);
  announce("");
  requestAnimationFrame(() => announce("Copied")); // a screen reader reads a text again only if it has changed
}

/** @param {HTMLElement} value */
const valuesIn = (value) =>
  all(":scope > .value, :scope > .link-button", value)
    .map((each) => (each instanceof HTMLAnchorElement ? each.href : each.textContent))
    .join("\n");

document.addEventListener("click", async ({ target }) => {
  const button = closest(target, "[data-copy], .copy-value");
  const source = button?.dataset.copy ? byId(button.dataset.copy) : button?.parentElement;
  if (!button || !source) return;
  await copy(button.dataset.copy ? (source.textContent || "").trim() : valuesIn(source), source);
  confirm(button);
});

/** Add buttons to the values of open lists only: an incident of a thousand alerts has ten thousand values. */
function addButtons() {
  for (const value of all(".tag-list dd:not(:has(.copy-value))")) {
    if (value.closest("details:not([open])") || !value.firstElementChild) continue;
    const button = element("button", { type: "button", className: "quiet copy-value" });
    button.setAttribute("aria-label", `Copy ${value.previousElementSibling?.textContent}`);
    button.append(required("copy-icon", HTMLTemplateElement).content.cloneNode(true));
    value.append(button);
  }
}

document.addEventListener("toggle", addButtons, true);
document.addEventListener(AFTER_SETTLE, addButtons);
addButtons();
