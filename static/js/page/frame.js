/** The frame of every page: light and dark, the full text of what is cut, and questions in a dialog. */
import { AFTER_SWAP, BULK_BEGUN, RESPONSE_ERROR, SEND_ERROR } from "../events.js";
import { all, byId, closest, element, first, required } from "../lib/dom.js";

const dialog = required("dialog", HTMLDialogElement);

// --- Light and dark

first(".themes")?.addEventListener("click", (event) => {
  const button = closest(event.target, "button");
  if (!(button instanceof HTMLButtonElement) || !button.form) return;
  event.preventDefault();
  document.documentElement.dataset.theme = button.value;
  fetch(button.form.action, { method: "POST", body: new FormData(button.form, button), redirect: "manual" });
  for (const each of all(".themes button")) each.setAttribute("aria-pressed", String(each === button));
});

// --- Full texts
// A text that is cut has its full text in a title, which only a pointer shows. This shows it for the element that has
// the focus.

const REST = 600; // milliseconds on one element, so that nothing is covered while a person moves on
const HAS_OWN_TIP = ".link-button"; // its title names the address, and shows whether the text is cut or not
const inFull = element("div", { className: "in-full", popover: "manual" });
inFull.setAttribute("aria-hidden", "true"); // screen readers read the whole text anyway
document.body.append(inFull);
let resting = 0;

/** @param {Element} part */
const hidesText = (part) =>
  getComputedStyle(part).overflowX !== "visible" &&
  (part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight);

/** @param {Element} part */
const isCut = (part) => [part, ...part.querySelectorAll(":not(.visually-hidden)")].some(hidesText);

function placeInFull() {
  const focused = document.activeElement;
  if (!focused) return;
  const { left } = focused.getBoundingClientRect();
  const { top, bottom } = (focused.closest(".rows tr") || focused).getBoundingClientRect();
  const { width, height } = inFull.getBoundingClientRect();
  inFull.style.left = `${Math.max(4, Math.min(left, innerWidth - width - 4))}px`;
  inFull.style.top = `${bottom + height + 8 < innerHeight ? bottom + 4 : top - height - 4}px`;
}

/** @param {HTMLElement} focused */
function showInFull(focused) {
  const place = /** @type {HTMLElement | null} */ (focused.closest(".rows tr")) || focused;
  const texts = [place, ...all("[title]", place)].filter((each) => each.title && isCut(each)).map((each) => each.title);
  if (!texts.length || focused !== document.activeElement) return;
  inFull.textContent = texts.join("\n");
  inFull.showPopover();
  placeInFull();
}

document.addEventListener("focusin", ({ target }) => {
  if (!(target instanceof HTMLElement) || !target.matches(":focus-visible") || target.matches(HAS_OWN_TIP)) return;
  resting = setTimeout(showInFull, REST, target);
});
for (const event of ["focusout", "keydown", "pointerdown"]) {
  document.addEventListener(
    event,
    () => {
      clearTimeout(resting);
      inFull.hidePopover();
    },
    true,
  );
}
document.addEventListener(
  "scroll",
  () => {
    if (inFull.matches(":popover-open")) placeInFull();
  },
  { capture: true, passive: true },
);

// --- Questions: the dialog opens when htmx puts one into it

/** Return the first field or button of the dialog; of several radio buttons the chosen one. */
function firstField() {
  const field = first("input:not([type=hidden]), select, textarea, button", dialog);
  const isRadio = field instanceof HTMLInputElement && field.type === "radio";
  return (isRadio && field.form && first(`[name="${field.name}"]:checked`, field.form)) || field;
}

document.addEventListener(AFTER_SWAP, ({ target, detail }) => {
  // The pane shows the answer to the dialog's question.
  if (target === byId("pane") && dialog.contains(detail.requestConfig?.elt)) dialog.close();
  if (target !== dialog || dialog.open) return;
  dialog.showModal();
  firstField()?.focus();
});
document.addEventListener(BULK_BEGUN, () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target !== dialog && !closest(event.target, "[data-dismiss]")) return;
  event.preventDefault();
  dialog.close();
});
dialog.addEventListener("close", () => dialog.replaceChildren());

// --- Errors of the pane and the dialog
// The server's own page tells why an action is refused. An action that failed is told where the person tried it.

/** @param {Element} target */
const isPaneOrDialog = (target) => target === dialog || target === byId("pane");

document.addEventListener(RESPONSE_ERROR, ({ detail: { elt, target, xhr } }) => {
  if (!isPaneOrDialog(target)) return;
  if (xhr.status === 503 && xhr.getResponseHeader("Content-Type")?.startsWith("text/plain"))
    tellBroken(xhr.responseText);
  else if (xhr.status >= 500) tellBroken("The server could not do this. Try again in a moment.");
  else if (elt instanceof HTMLFormElement) HTMLFormElement.prototype.submit.call(elt);
  else if (elt instanceof HTMLAnchorElement) location.assign(elt.href);
});
document.addEventListener(SEND_ERROR, ({ detail: { target } }) => {
  if (isPaneOrDialog(target)) tellBroken("The server does not answer. Nothing was changed.");
});

/** @param {string} text */
function tellBroken(text) {
  const banner = element("p", { className: "banner banner-error", textContent: text });
  banner.setAttribute("role", "alert");
  (dialog.open ? dialog : byId("pane") || required("main", HTMLElement)).prepend(banner);
  setTimeout(() => banner.remove(), 10_000);
}
