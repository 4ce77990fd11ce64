/** The gallery of tools: typing finds a tool, and Enter opens the tool that is left. */
import { all, required } from "../lib/dom.js";

const field = required("find-tool", HTMLInputElement);
const tiles = all(".gallery li");
const left = () => tiles.filter((tile) => !tile.hidden);

function find() {
  const words = field.value.toLowerCase().split(/\s+/);
  for (const tile of tiles) tile.hidden = !words.every((word) => tile.textContent?.toLowerCase().includes(word));
  required("no-tool", HTMLElement).hidden = left().length > 0;
}

field.addEventListener("input", find);
field.addEventListener("keydown", (event) => {
  const link = left().length === 1 ? left()[0].querySelector("a") : null;
  if (event.key === "Enter" && link) location.assign(link.href);
});
find(); // for text that was typed before this script ran
