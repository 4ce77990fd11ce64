/* The live tail waits while somebody reads one of its requests, or looks elsewhere. */
"use strict";
document.addEventListener("htmx:beforeRequest", (event) => {
  const tail = event.target.closest("#tail-lines");
  if (tail && (document.hidden || tail.querySelector("details[open]"))) event.preventDefault();
});
