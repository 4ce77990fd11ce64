/* Zoom and pan of the timeline, by pointer and by keyboard: what the drawing's viewBox shows of it. The axis follows in the reader's zone. */
"use strict";
(() => {
  const CLOSEST = 10; // seconds that can be shown over the whole width
  const ZOOM = 1.5;
  const PAN = 0.2; // of the width
  const MINUTE = 60;
  const DAY = 24 * 3600;
  const STEPS = [10, 30, ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((minutes) => minutes * MINUTE), ...[1, 2, 7, 14, 30, 91, 365].map((days) => days * DAY)];
  const SPACE = 80; // pixels between two ticks, at least
  let view = null; // { left, width } in seconds from the timeline's beginning; null: all of it
  let dragged = null;

  const plot = () => document.getElementById("plot");
  const all = () => ({ left: Number(plot().dataset.left), width: Number(plot().dataset.width) });

  function show(asked) {
    const whole = all();
    const width = Math.min(Math.max(asked.width, CLOSEST), whole.width);
    const left = Math.min(Math.max(asked.left, whole.left), whole.left + whole.width - width);
    view = width >= whole.width ? null : { left, width };
    draw();
  }

  function draw() {
    if (!plot()) return;
    const { left, width } = view || all();
    const drawing = plot().querySelector(".drawing");
    drawing.setAttribute("viewBox", `${left} 0 ${width} ${drawing.getAttribute("height")}`);
    drawAxis(left, width);
  }

  function drawAxis(left, width) {
    const axis = plot().querySelector(".axis");
    const room = Math.max(2, Math.floor(axis.clientWidth / SPACE));
    const step = STEPS.find((each) => width / each <= room) || STEPS.at(-1);
    const starts = Date.parse(plot().dataset.starts) / 1000;
    const timeZone = document.documentElement.dataset.shownZone;
    const offset = offsetOf(starts + left, timeZone);
    const clock = new Intl.DateTimeFormat("en-CA", { timeZone, hour: "2-digit", minute: "2-digit", second: step < MINUTE ? "2-digit" : undefined, hourCycle: "h23" });
    const day = new Intl.DateTimeFormat("en-CA", { timeZone, month: "2-digit", day: "2-digit" });
    const texts = [];
    for (let at = Math.ceil((starts + left + offset) / step) * step - offset; at < starts + left + width; at += step) {
      const text = document.createElementNS("http://www.w3.org/2000/svg", "text");
      const isMidnight = (at + offset) % DAY === 0;
      const share = (at - starts - left) / width;
      const edge = SPACE / 2 / axis.clientWidth; // where half of a label would be cut
      text.setAttribute("x", `${100 * share}%`);
      text.setAttribute("class", share < edge ? "from-here" : share > 1 - edge ? "to-here" : "");
      text.setAttribute("y", "16");
      text.textContent = (isMidnight ? day : clock).format(at * 1000);
      texts.push(text);
    }
    axis.replaceChildren(...texts);
  }

  /* Seconds that a zone is ahead of UTC at a time. */
  function offsetOf(at, timeZone) {
    const name = new Intl.DateTimeFormat("en-CA", { timeZone, timeZoneName: "longOffset" }).formatToParts(at * 1000).find(({ type }) => type === "timeZoneName").value;
    const [, sign, hours, minutes] = name.match(/GMT([+-])(\d+):(\d+)/) || [null, "+", 0, 0];
    return (sign === "-" ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * MINUTE);
  }

  function zoom(factor, at = 0.5) {
    const { left, width } = view || all();
    show({ left: left + width * at * (1 - 1 / factor), width: width / factor });
  }

  function pan(share) {
    const { left, width } = view || all();
    show({ left: left + width * share, width });
  }

  const shareOf = (event) => (event.clientX - plot().getBoundingClientRect().left) / plot().clientWidth;
  const DEEDS = { "zoom-in": () => zoom(ZOOM), "zoom-out": () => zoom(1 / ZOOM), "zoom-all": () => show(all()) };
  const KEYS = { "ArrowLeft": () => pan(-PAN), "ArrowRight": () => pan(PAN), "+": DEEDS["zoom-in"], "=": DEEDS["zoom-in"], "-": DEEDS["zoom-out"], "0": DEEDS["zoom-all"], "Home": () => show({ ...(view || all()), left: -Infinity }), "End": () => show({ ...(view || all()), left: Infinity }) };

  document.addEventListener("click", (event) => DEEDS[event.target.closest("button")?.id]?.());
  document.addEventListener("keydown", (event) => {
    if (event.target !== plot() || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    KEYS[event.key]();
  });
  document.addEventListener("wheel", (event) => {
    if (!event.target.closest?.("#plot")) return;
    if (event.ctrlKey || event.metaKey) zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM, shareOf(event));
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / plot().clientWidth);
    else return;
    event.preventDefault();
  }, { passive: false });
  document.addEventListener("dblclick", (event) => { if (event.target.closest("#plot")) zoom(ZOOM * ZOOM, shareOf(event)); });
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("#plot") || event.button) return;
    dragged = { x: event.clientX, ...(view || all()) };
    plot().setPointerCapture(event.pointerId);
  });
  document.addEventListener("pointermove", (event) => {
    if (dragged && plot()) show({ left: dragged.left - ((event.clientX - dragged.x) / plot().clientWidth) * dragged.width, width: dragged.width });
  });
  document.addEventListener("pointerup", () => { dragged = null; });
  document.addEventListener("pointercancel", () => { dragged = null; });

  document.addEventListener("htmx:afterSwap", (event) => { if (event.target.id === "pane") view = null; });
  for (const name of ["htmx:afterSettle", "console:times", "console:zone"]) document.addEventListener(name, draw);
  addEventListener("resize", draw);
  draw();
})();
