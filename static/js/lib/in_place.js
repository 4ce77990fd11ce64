/**
 * Change elements in place, down to the smallest part: the focus, a ticked box or a request in flight stays where
 * nothing changed.
 */
import { TIMES_ADDED } from "../events.js";
import { byId } from "./dom.js";

/**
 * A copy of each element as the server sent it, before times and marks changed it.
 * @type {WeakMap<Element, Element>}
 */
const served = new WeakMap();
let isRestoring = false;

/** Tell whether the focus moves now because `keepingFocus` puts it back, and not because of a person. */
export const isRestoringFocus = () => isRestoring;

/**
 * Keep a copy of an element as the server sent it.
 * @param {Element} element
 */
export const remember = (element) => served.set(element, /** @type {Element} */ (element.cloneNode(true)));

/**
 * Change the page, and give the focus back to the element that has the id of the one that lost it.
 * @param {() => void} change
 */
export function keepingFocus(change) {
  const id = document.activeElement?.id;
  isRestoring = true;
  change();
  if (id && document.activeElement?.id !== id) byId(id)?.focus({ preventScroll: true });
  isRestoring = false;
}

/**
 * Make an element equal to a new version. Return the element that stands on the page afterwards.
 * @param {Element} old
 * @param {Element} fresh
 */
export function update(old, fresh) {
  const before = served.get(old) || /** @type {Element} */ (old.cloneNode(true));
  if (isSame(before, fresh)) return old;
  const changed = change(old, before, fresh);
  served.set(changed, fresh);
  document.dispatchEvent(new Event(TIMES_ADDED));
  return changed;
}

/**
 * @param {Element} one
 * @param {Element} other
 */
const isSame = (one, other) => plain(one.outerHTML) === plain(other.outerHTML);

/** @param {string} html */
const plain = (html) =>
  html.replace(/ aria-current="true"/g, "").replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");

/** @param {Element} element */
const textOf = (element) =>
  [...element.childNodes]
    .filter((node) => node instanceof Text)
    .map((node) => node.data.trim())
    .join("|");

/** @param {Element} element */
const requestsOf = (element) =>
  [...element.attributes]
    .filter(({ name }) => name.startsWith("hx-"))
    .map(({ name, value }) => name + value)
    .join("|");

/**
 * @param {Element} live
 * @param {Element} before
 * @param {Element} fresh
 */
const isAlike = (live, before, fresh) =>
  before.tagName === fresh.tagName &&
  before.id === fresh.id &&
  fresh.children.length > 0 &&
  before.children.length === fresh.children.length &&
  live.children.length === fresh.children.length &&
  textOf(before) === textOf(fresh) &&
  requestsOf(before) === requestsOf(fresh);

/**
 * @param {Element} live The element on the page.
 * @param {Element} before The same element as the server sent it last.
 * @param {Element} fresh
 * @returns {Element}
 */
function change(live, before, fresh) {
  if (isSame(before, fresh)) return live;
  if (!isAlike(live, before, fresh)) {
    const adopted = document.importNode(fresh, true);
    keepingFocus(() => live.replaceWith(adopted));
    htmx.process(adopted);
    return adopted;
  }
  for (const { name, value } of fresh.attributes)
    if (before.getAttribute(name) !== value) live.setAttribute(name, value);
  for (const { name } of before.attributes) if (!fresh.hasAttribute(name)) live.removeAttribute(name);
  [...fresh.children].forEach((child, place) => {
    change(live.children[place], before.children[place], child);
  });
  return live;
}
