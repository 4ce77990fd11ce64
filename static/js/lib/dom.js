/** Typed access to the elements of the page. */

/**
 * Return the element with an id, or null.
 * @param {string} id
 */
export const byId = (id) => document.getElementById(id);

/**
 * Return the element with an id. Throw where the page has no such element, or an element of another type.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function required(id, type) {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new TypeError(`The page has no ${type.name} with the id ${id}`);
}

/**
 * Return the first HTML element that matches a selector, or null.
 * @param {string} selector
 * @param {ParentNode} root
 * @returns {HTMLElement | null}
 */
export const first = (selector, root = document) => root.querySelector(selector);

/**
 * Return all HTML elements that match a selector.
 * @param {string} selector
 * @param {ParentNode} root
 * @returns {HTMLElement[]}
 */
export const all = (selector, root = document) => [
  .../** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(selector)),
];

/**
 * Return all input elements that match a selector.
 * @param {string} selector
 * @param {ParentNode} root
 * @returns {HTMLInputElement[]}
 */
export const inputs = (selector, root = document) =>
  all(selector, root).filter((each) => each instanceof HTMLInputElement);

/**
 * Return the nearest HTML element that matches a selector, from an event's target outwards, or null.
 * @param {EventTarget | null} target
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export const closest = (target, selector) => (target instanceof Element ? target.closest(selector) : null);

/**
 * Return the table row around an element, or null.
 * @param {EventTarget | null} target
 * @returns {HTMLTableRowElement | null}
 */
export const rowAround = (target) => (target instanceof Element ? target.closest("tr") : null);

/**
 * Return the first element of a piece of HTML. The element is in no document yet.
 * @param {string} html
 * @returns {HTMLElement | null}
 */
export function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return /** @type {HTMLElement | null} */ (template.content.firstElementChild);
}

/**
 * Make an element with properties and children.
 * @template {keyof HTMLElementTagNameMap} N
 * @param {N} name
 * @param {Partial<HTMLElementTagNameMap[N]>} properties
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[N]}
 */
export function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/**
 * Let screen readers read a text when they are idle.
 * @param {string} text
 */
export function announce(text) {
  required("announcer", HTMLElement).textContent = text;
}
