/**
 * Zoom and pan of the timeline, by pointer and by keyboard. The drawing's viewBox decides which part is shown, and the
 * axis shows the time zone of the reader.
 */
import { AFTER_SETTLE, AFTER_SWAP, TIMES_ADDED, ZONE_CHANGED } from "../events.js";
import { byId, closest } from "../lib/dom.js";

/** @typedef {{ left: number, width: number }} Span In seconds, from the timeline's beginning. */

const CLOSEST = 10; // seconds that the whole width can show
const ZOOM = 1.5;
const PAN = 0.2; // of the width
const MINUTE = 60;
const DAY = 24 * 3600;
/** Seconds between two ticks of the axis. */
const STEPS = [
  10,
  30,
  ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((minutes) => minutes * MINUTE),
  ...[1, 2, 7, 14, 30, 91, 365].map((days) => days * DAY),
];
const SPACE = 80; // pixels between two ticks, at least
/** @type {Span | null} The part that is shown; null for all. */
let view = null;
/** @type {Span & { x: number } | null} The part that was shown when a drag began, and where it began. */
let dragged = null;

const plot = () => byId("plot");

/**
 * @param {HTMLElement} plot
 * @returns {Span}
 */
const whole = (plot) => ({ left: Number(plot.dataset.left), width: Number(plot.dataset.width) });

/** @param {HTMLElement} plot */
const shown = (plot) => view || whole(plot);

/**
 * Show a part of the timeline, within its bounds.
 * @param {HTMLElement} plot
 * @param {Span} asked
 */
function show(plot, asked) {
  const all = whole(plot);
  const width = Math.min(Math.max(asked.width, CLOSEST), all.width);
  const left = Math.min(Math.max(asked.left, all.left), all.left + all.width - width);
  view = width >= all.width ? null : { left, width };
  draw();
}

function draw() {
  const place = plot();
  const drawing = place?.querySelector(".drawing");
  const axis = place?.querySelector(".axis");
  if (!place || !drawing || !axis) return;
  const { left, width } = shown(place);
  drawing.setAttribute("viewBox", `${left} 0 ${width} ${drawing.getAttribute("height")}`);
  const starts = Date.parse(place.dataset.starts || "") / 1000 + left;
  axis.replaceChildren(...ticks(starts, width, axis.clientWidth));
}

/**
 * Return the labels of the axis.
 * @param {number} starts Seconds since 1970.
 * @param {number} width Seconds.
 * @param {number} pixels The width of the axis.
 */
function ticks(starts, width, pixels) {
  const room = Math.max(2, Math.floor(pixels / SPACE));
  const step = STEPS.find((each) => width / each <= room) || STEPS[STEPS.length - 1];
  const timeZone = document.documentElement.dataset.shownZone;
  const offset = offsetOf(starts, timeZone);
  const second = step < MINUTE ? "2-digit" : undefined;
  const clock = new Intl.DateTimeFormat("en-CA", {
    timeZone,
    hour: "2-digit",
    minute: "2-digit",
    second,
    hourCycle: "h23",
  });
  const day = new Intl.DateTimeFormat("en-CA", { timeZone, month: "2-digit", day: "2-digit" });
  const edge = SPACE / 2 / pixels; // a label that is nearer to an end would be cut there
  const texts = [];
  for (let at = Math.ceil((starts + offset) / step) * step - offset; at < starts + width; at += step) {
    const text = document.createElementNS("http://www.w3.org/2000/svg", "text");
    const isMidnight = (at + offset) % DAY === 0;
    const share = (at - starts) / width;
    text.setAttribute("x", `${100 * share}%`);
    text.setAttribute("class", share < edge ? "from-here" : share > 1 - edge ? "to-here" : "");
    text.setAttribute("y", "16");
    text.textContent = (isMidnight ? day : clock).format(at * 1000);
    texts.push(text);
  }
  return texts;
}

/**
 * Return the seconds that a time zone is ahead of UTC.
 * @param {number} at Seconds since 1970.
 * @param {string | undefined} timeZone
 */
function offsetOf(at, timeZone) {
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone, timeZoneName: "longOffset" }).formatToParts(at * 1000);
  const name = parts.find(({ type }) => type === "timeZoneName")?.value || "";
  const [, sign, hours, minutes] = name.match(/GMT([+-])(\d+):(\d+)/) || ["", "+", "0", "0"];
  return (sign === "-" ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * MINUTE);
}

/**
 * @param {HTMLElement} plot
 * @param {number} factor
 * @param {number} at The share of the width that stays in place.
 */
function zoom(plot, factor, at = 0.5) {
  const { left, width } = shown(plot);
  show(plot, { left: left + width * at * (1 - 1 / factor), width: width / factor });
}

/**
 * @param {HTMLElement} plot
 * @param {number} share
 */
function pan(plot, share) {
  const { left, width } = shown(plot);
  show(plot, { left: left + width * share, width });
}

/**
 * @param {HTMLElement} plot
 * @param {MouseEvent} event
 */
const shareOf = (plot, event) => (event.clientX - plot.getBoundingClientRect().left) / plot.clientWidth;

/** @type {Record<string, (plot: HTMLElement) => void>} What each button does, by its id. */
const BUTTONS = {
  "zoom-in": (plot) => zoom(plot, ZOOM),
  "zoom-out": (plot) => zoom(plot, 1 / ZOOM),
  "zoom-all": (plot) => show(plot, whole(plot)),
};
/** @type {Record<string, (plot: HTMLElement) => void>} */
const KEYS = {
  ArrowLeft: (plot) => pan(plot, -PAN),
  ArrowRight: (plot) => pan(plot, PAN),
  "+": BUTTONS["zoom-in"],
  "=": BUTTONS["zoom-in"],
  "-": BUTTONS["zoom-out"],
  0: BUTTONS["zoom-all"],
  Home: (plot) => show(plot, { ...shown(plot), left: -Infinity }),
  End: (plot) => show(plot, { ...shown(plot), left: Infinity }),
};

document.addEventListener("click", ({ target }) => {
  const place = plot();
  const press = BUTTONS[closest(target, "button")?.id || ""];
  if (place && press) press(place);
});
document.addEventListener("keydown", (event) => {
  const place = plot();
  const press = KEYS[event.key];
  if (!place || event.target !== place || event.ctrlKey || event.metaKey || event.altKey || !press) return;
  event.preventDefault();
  event.stopPropagation();
  press(place);
});
document.addEventListener(
  "wheel",
  (event) => {
    const place = closest(event.target, "#plot");
    if (!place) return;
    if (event.ctrlKey || event.metaKey) zoom(place, event.deltaY < 0 ? ZOOM : 1 / ZOOM, shareOf(place, event));
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(place, event.deltaX / place.clientWidth);
    else return;
    event.preventDefault();
  },
  { passive: false },
);
document.addEventListener("dblclick", (event) => {
  const place = closest(event.target, "#plot");
  if (place) zoom(place, ZOOM * ZOOM, shareOf(place, event));
});
document.addEventListener("pointerdown", (event) => {
  const place = closest(event.target, "#plot");
  if (!place || event.button) return;
  dragged = { x: event.clientX, ...shown(place) };
  place.setPointerCapture(event.pointerId);
});
document.addEventListener("pointermove", (event) => {
  const place = plot();
  if (!dragged || !place) return;
  const share = (event.clientX - dragged.x) / place.clientWidth;
  show(place, { left: dragged.left - share * dragged.width, width: dragged.width });
});
document.addEventListener("pointerup", () => {
  dragged = null;
});
document.addEventListener("pointercancel", () => {
  dragged = null;
});

document.addEventListener(AFTER_SWAP, ({ target }) => {
  if (target === byId("pane")) view = null;
});
document.addEventListener(AFTER_SETTLE, draw);
document.addEventListener(TIMES_ADDED, draw);
document.addEventListener(ZONE_CHANGED, draw);
addEventListener("resize", draw);
draw();
