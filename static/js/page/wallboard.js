/* A wallboard asks every few seconds, always says how old its data is, and is loud when it is not live. Sound and frame mark what became critical. */
"use strict";
(() => {
  const POLL = 5000;
  const LATE = 20_000;
  const DOWN = 60_000;
  const FRAME = 20_000; // how long the frame stays
  const root = document.body;
  const wall = document.getElementById("wall");
  const words = document.getElementById("wall-state");
  const alarm = document.getElementById("wall-alarm");
  const mute = document.getElementById("mute");
  let freshAt = Date.now();
  let isRevoked = false; // which an administrator may take back
  let sound = null; // an audio context once somebody has pressed, which browsers ask for
  let worst = critical();

  /* The rows that are critical, and how many are, with those that have no row here. */
  function critical() {
    const keys = new Set([...document.querySelectorAll('.wall-rows [data-status="critical"]')].map((row) => row.dataset.key));
    return { keys, count: Number(document.querySelector(".wall-tally.status-critical")?.dataset.count || 0) };
  }

  function beep() {
    if (!sound || mute.getAttribute("aria-pressed") === "true") return;
    for (const [after, pitch] of [[0, 880], [0.25, 660]]) {
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

  function alert() {
    const now = critical();
    const before = worst;
    worst = now;
    const areAllShown = [before, now].every(({ keys, count }) => keys.size === count);
    const isNew = areAllShown ? [...now.keys].some((key) => !before.keys.has(key)) : now.count > before.count; // else rows come up from below
    if (!isNew) return;
    beep();
    if (root.dataset.flash === "off" && root.dataset.sound === "off") return;
    root.classList.add("is-alerted"); // also the sound's visual twin
    setTimeout(() => root.classList.remove("is-alerted"), FRAME);
  }

  async function ask() {
    try {
      const reply = await fetch(`${location.pathname}?part`);
      isRevoked = reply.status === 404;
      if (!reply.ok) return tell();
      wall.innerHTML = await reply.text();
      freshAt = Date.now();
      document.dispatchEvent(new Event("console:times"));
      alert();
    } catch { /* the age of the data tells it */ }
  }

  function tell() {
    const age = Date.now() - freshAt;
    const state = isRevoked || age > DOWN ? "down" : age > LATE ? "late" : "live";
    root.dataset.state = state;
    words.textContent = state === "live" ? `Live, ${Math.round(age / 1000)} s old` : `Data ${Math.round(age / 1000)} s old`;
    alarm.hidden = state !== "down";
    const since = new Date(freshAt).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    const why = isRevoked ? "This link was revoked. What you see is no longer true." : `Not live since ${since}`;
    if (state === "down" && alarm.textContent !== why) alarm.textContent = why; // read out once
  }

  mute?.addEventListener("click", () => {
    sound ||= new AudioContext();
    const isMuted = mute.getAttribute("aria-pressed") !== "true";
    mute.setAttribute("aria-pressed", String(isMuted));
    mute.textContent = isMuted ? "Sound is off – press to hear" : "Sound is on – press to mute";
  });
  setInterval(ask, POLL);
  setInterval(tell, 1000);
  tell();
})();
