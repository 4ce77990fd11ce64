/* The widths of the panes: dragged, or moved by the arrow keys, and remembered with the person. Runs before the page is drawn, so that nothing jumps. */
"use strict";
(() => {
  const STEP = 16; // pixels an arrow key moves
  const LEAST = { rail: 160, incident: 320 };
  const script = document.currentScript;
  const widths = JSON.parse(script.dataset.widths || "{}");
  const root = document.documentElement;
  let saving = 0;

  const most = (name) => Math.max(LEAST[name], innerWidth * (name === "rail" ? 0.4 : 0.7));

  function show(name, width, separator) {
    widths[name] = Math.round(Math.min(Math.max(width, LEAST[name]), most(name)));
    root.style.setProperty(`--${name}-width`, `${widths[name]}px`);
    if (separator) tell(separator, widths[name]);
  }

  function tell(separator, width) {
    const name = separator.dataset.pane;
    for (const [attribute, value] of [["valuenow", width], ["valuemin", LEAST[name]], ["valuemax", Math.round(most(name))]]) separator.setAttribute(`aria-${attribute}`, value);
  }

  function save() {
    clearTimeout(saving);
    saving = setTimeout(() => {
      const body = new FormData();
      for (const [name, width] of Object.entries(widths)) body.set(name, width);
      body.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
      fetch(script.dataset.save, { method: "POST", body });
    }, 500);
  }

  const paneOf = (separator) => document.getElementById(separator.getAttribute("aria-controls"));
  const grows = (separator) => (separator.dataset.pane === "rail" ? 1 : -1); // the incident lies to the right of its separator

  document.addEventListener("pointerdown", (event) => {
    const separator = event.target.closest(".separator");
    if (!separator) return;
    const from = event.clientX;
    const before = paneOf(separator).offsetWidth;
    const move = ({ clientX }) => show(separator.dataset.pane, before + (clientX - from) * grows(separator), separator);
    separator.setPointerCapture(event.pointerId);
    separator.addEventListener("pointermove", move);
    separator.addEventListener("pointerup", () => { separator.removeEventListener("pointermove", move); save(); }, { once: true });
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    const separator = event.target.closest?.(".separator");
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!separator || !way) return;
    event.preventDefault();
    show(separator.dataset.pane, paneOf(separator).offsetWidth + way * STEP * grows(separator), separator);
    save();
  });
  document.addEventListener("focusin", (event) => {
    const separator = event.target.closest?.(".separator");
    if (separator) show(separator.dataset.pane, paneOf(separator).offsetWidth, separator);
  });

  for (const name of Object.keys(LEAST)) if (widths[name]) show(name, widths[name]);
  document.addEventListener("DOMContentLoaded", () => {
    for (const separator of document.querySelectorAll(".separator")) tell(separator, Math.round(paneOf(separator).offsetWidth) || LEAST[separator.dataset.pane]);
  });
})();
