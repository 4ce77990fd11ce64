/**
 * A wallboard asks the server every few seconds. It always tells how old its data is, and warns when the data is not
 * live. A sound and a frame announce an incident that became critical.
 */
import { TIMES_ADDED } from "../events.js";
import { all, byId, first, required } from "../lib/dom.js";

const POLL = 5000; // milliseconds
const LATE = 20_000;
const DOWN = 60_000;
const FRAME = 20_000; // milliseconds that the frame stays
/** @type {[after: number, pitch: number][]} Seconds and hertz of the two tones. */
const TONES = [
  [0, 880],
  [0.25, 660],
];
const root = document.body;
const wall = required("wall", HTMLElement);
const words = required("wall-state", HTMLElement);
const alarm = required("wall-alarm", HTMLElement);
const mute = byId("mute");
let freshAt = Date.now();
let hasEnded = false; // somebody may renew or restore the link
/** @type {AudioContext | null} Browsers allow sound only after a person has pressed a button. */
let sound = null;
let worst = critical();
let isBehind = !!first(".wall-behind");

/** Return the keys of the critical rows, and the number of critical incidents with those that have no row here. */
function critical() {
  const keys = new Set(all('.wall-rows [data-status="critical"]').map((row) => row.dataset.key));
  return { keys, count: Number(first(".wall-tally.status-critical")?.dataset.count || 0) };
}

function beep() {
  if (!sound || mute?.getAttribute("aria-pressed") === "true") return;
  for (const [after, pitch] of TONES) {
    const tone = sound.createOscillator();
    const volume = sound.createGain();
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.2, sound.currentTime + after);
    volume.gain.exponentialRampToValueAtTime(0.001, sound.currentTime + after + 0.22);
    tone.connect(volume).connect(sound.destination);
    tone.start(sound.currentTime + after);
    tone.stop(sound.currentTime + after + 0.24);
  }
}

function announceCritical() {
  const now = critical();
  const before = worst;
  worst = now;
  // Where rows are missing, a row that is new here may only have moved up. Then the number decides.
  const areAllShown = [before, now].every(({ keys, count }) => keys.size === count);
  const isNew = areAllShown ? [...now.keys].some((key) => !before.keys.has(key)) : now.count > before.count;
  if (!isNew) return;
  beep();
  if (root.dataset.flash === "off" && root.dataset.sound === "off") return;
  root.classList.add("is-alerted"); // also for a person who cannot hear the sound
  setTimeout(() => root.classList.remove("is-alerted"), FRAME);
}

async function ask() {
  try {
    const reply = await fetch(`${location.pathname}?part`);
    hasEnded = reply.status === 404;
    if (!reply.ok) return showState();
    wall.innerHTML = await reply.text();
    freshAt = Date.now();
    document.dispatchEvent(new Event(TIMES_ADDED));
    if (!!first(".wall-behind") !== isBehind) {
      isBehind = !isBehind;
      if (isBehind) beep();
    }
    announceCritical();
  } catch {
    // The age of the data tells that the server does not answer.
  }
}

function showState() {
  const age = Date.now() - freshAt;
  const behind = first(".wall-behind time");
  const state = hasEnded || age > DOWN ? "down" : age > LATE ? "late" : behind ? "behind" : "live";
  root.dataset.state = state;
  const old = `${Math.round(age / 1000)} s old`;
  if (state === "behind") words.textContent = `Behind since ${behind?.textContent}`;
  else words.textContent = state === "live" ? `Live, ${old}` : `Data ${old}`;
  alarm.hidden = state !== "down";
  const since = new Date(freshAt).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const why = hasEnded ? "This link has ended. What you see is no longer true." : `Not live since ${since}`;
  if (state === "down" && alarm.textContent !== why) alarm.textContent = why; // a screen reader reads it once
}

mute?.addEventListener("click", () => {
  sound ||= new AudioContext();
  const isMuted = mute.getAttribute("aria-pressed") !== "true";
  mute.setAttribute("aria-pressed", String(isMuted));
  mute.textContent = isMuted ? "Sound is off – press to hear" : "Sound is on – press to mute";
});
setInterval(ask, POLL);
setInterval(showState, 1000);
showState();
