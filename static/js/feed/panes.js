/**
 * The widths of the panes. A person drags a separator, or moves it by the arrow keys. The server remembers the widths.
 */
import { all, byId, closest, inputs, required } from "../lib/dom.js";

const STEP = 16; // pixels that an arrow key moves a separator
const SAVE_AFTER = 500; // milliseconds after the last change
/** Pixels at least, share of the window at most, and 1 where a separator that moves to the right widens the pane. */
const PANES = {
  sidebar: { least: 160, most: 0.4, direction: 1 },
  incident: { least: 320, most: 0.7, direction: -1 },
};
/** @type {Record<string, number>} The widths that were changed on this page. */
const changed = {};
let saving = 0;

/** @param {HTMLElement} separator */
const nameOf = (separator) => (separator.dataset.pane === "sidebar" ? "sidebar" : "incident");

/** @param {HTMLElement} separator */
const paneOf = (separator) => byId(separator.getAttribute("aria-controls") || "");

/** @param {HTMLElement} separator */
const widthOf = (separator) => paneOf(separator)?.offsetWidth || 0;

/** @param {keyof typeof PANES} name */
const mostOf = (name) => Math.max(PANES[name].least, innerWidth * PANES[name].most);

/**
 * @param {HTMLElement} separator
 * @param {number} asked Pixels.
 */
function resize(separator, asked) {
  const name = nameOf(separator);
  const width = Math.round(Math.min(Math.max(asked, PANES[name].least), mostOf(name)));
  changed[name] = width;
  document.documentElement.style.setProperty(`--${name}-width`, `${width}px`);
  describe(separator, width);
}

/**
 * Tell assistive technology where a separator stands.
 * @param {HTMLElement} separator
 * @param {number} width
 */
function describe(separator, width) {
  const name = nameOf(separator);
  separator.setAttribute("aria-valuenow", String(width));
  separator.setAttribute("aria-valuemin", String(PANES[name].least));
  separator.setAttribute("aria-valuemax", String(Math.round(mostOf(name))));
}

function save() {
  clearTimeout(saving);
  saving = setTimeout(() => {
    const body = new FormData();
    for (const [name, width] of Object.entries(changed)) body.set(name, String(width));
    body.set("csrfmiddlewaretoken", inputs("[name=csrfmiddlewaretoken]")[0].value);
    fetch(required("console", HTMLElement).dataset.savePanes || "", { method: "POST", body });
  }, SAVE_AFTER);
}

document.addEventListener("pointerdown", (event) => {
  const separator = closest(event.target, ".separator");
  if (!separator) return;
  const from = event.clientX;
  const before = widthOf(separator);
  /** @param {PointerEvent} event */
  const move = ({ clientX }) => resize(separator, before + (clientX - from) * PANES[nameOf(separator)].direction);
  const end = () => {
    separator.removeEventListener("pointermove", move);
    save();
  };
  separator.setPointerCapture(event.pointerId);
  separator.addEventListener("pointermove", move);
  separator.addEventListener("pointerup", end, { once: true });
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  const separator = closest(event.target, ".separator");
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!separator || !way) return;
  event.preventDefault();
  resize(separator, widthOf(separator) + way * STEP * PANES[nameOf(separator)].direction);
  save();
});
document.addEventListener("focusin", (event) => {
  const separator = closest(event.target, ".separator");
  if (separator) resize(separator, widthOf(separator));
});

for (const separator of all(".separator"))
  describe(separator, Math.round(widthOf(separator)) || PANES[nameOf(separator)].least);
