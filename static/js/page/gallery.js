/* The gallery: type to find a tool, Enter opens the only one left. */
"use strict";
(() => {
  const field = document.getElementById("find-tool");
  const tiles = [...document.querySelectorAll(".gallery li")];
  const left = () => tiles.filter((tile) => !tile.hidden);

  const find = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const tile of tiles) tile.hidden = !words.every((word) => tile.textContent.toLowerCase().includes(word));
    document.getElementById("no-tool").hidden = left().length > 0;
  };
  field.addEventListener("input", find);
  find(); // what was typed before this script was there
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && left().length === 1) location.assign(left()[0].querySelector("a").href);
  });
})();
