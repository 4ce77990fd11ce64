/** The incident that is open beside the feed. */
import { AFTER_SETTLE, AFTER_SWAP, BEFORE_SWAP, PUSHED_INTO_HISTORY, REFRESHED } from "../events.js";
import { all, byId, closest, first, required, rowAround } from "../lib/dom.js";

const dialog = required("dialog", HTMLDialogElement);
const pane = required("pane", HTMLElement);

/** Tell whether the feed is visible beside the incident. On a narrow screen it is not. */
const isBeside = () => getComputedStyle(required("main", HTMLElement)).display !== "none";

// --- The draft of a comment
// It outlives a reply that replaces the pane, and another tab of the incident.

/** @type {{ about: string, text: string } | null} */
let draft = null;

const commentBox = () => {
  const box = byId("comment");
  return box instanceof HTMLTextAreaElement && box.form ? { box, form: box.form } : null;
};

document.addEventListener(BEFORE_SWAP, ({ detail }) => {
  const found = commentBox();
  if (detail.target !== pane || !found) return;
  const isSent = detail.requestConfig.elt === found.form || found.form.matches(".htmx-request");
  draft = isSent ? null : { about: found.form.action, text: found.box.value };
});

function keepDraft() {
  const found = commentBox();
  if (found && draft?.about === found.form.action) found.box.value ||= draft.text;
  draft = null;
}

// --- Opening and closing

function markOpen() {
  const path = location.pathname.match(/^\/incidents\/\d+/)?.[0];
  for (const link of all(".row-link[hx-get]")) {
    if (path && link instanceof HTMLAnchorElement && new URL(link.href).pathname === path)
      link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function close() {
  const link = required("close", HTMLAnchorElement);
  pane.replaceChildren();
  history.pushState({ htmx: true }, "", link.href.split("#")[0]);
  markOpen();
  byId(link.hash.slice(1))?.querySelector("a")?.focus();
  document.dispatchEvent(new Event(REFRESHED));
}

document.addEventListener(PUSHED_INTO_HISTORY, markOpen);
document.addEventListener(REFRESHED, markOpen);
document.addEventListener(AFTER_SWAP, ({ target }) => {
  if (target === pane) keepDraft();
});
document.addEventListener(AFTER_SETTLE, ({ target }) => {
  if (target !== pane) return;
  document.dispatchEvent(new Event(REFRESHED));
  const hasNoFocus = !document.activeElement || document.activeElement === document.body;
  if (!isBeside() || hasNoFocus) byId("incident-title")?.focus({ preventScroll: true });
  if (!isBeside()) scrollTo(0, 0);
  else if (!pane.contains(document.activeElement)) pane.scrollTo(0, 0);
});
document.addEventListener("click", (event) => {
  if (!closest(event.target, "#close") || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  close();
});
document.addEventListener("keydown", ({ key, target }) => {
  if (key !== "Escape" || dialog.open || !byId("close")) return;
  if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement) target.blur();
  else close();
});

rowAround(first("#rows [aria-current]"))?.scrollIntoView({ block: "nearest" });
if (location.hash.startsWith("#incident-")) byId(location.hash.slice(1))?.querySelector("a")?.focus();
