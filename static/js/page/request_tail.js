/**
 * The list of an integration's latest requests. It is not refreshed while a person reads one of them, or looks at
 * another tab.
 */
import { BEFORE_REQUEST } from "../events.js";
import { closest } from "../lib/dom.js";

document.addEventListener(BEFORE_REQUEST, (event) => {
  const lines = closest(event.target, "#tail-lines");
  if (lines && (document.hidden || lines.querySelector("details[open]"))) event.preventDefault();
});
