/** The bar that says that correlation is behind: the server renders it, and says when it has another text. */
import { BACKLOG, TIMES_ADDED } from "../events.js";
import { required } from "../lib/dom.js";

const place = required("behind", HTMLElement);
let known = "";

document.addEventListener(BACKLOG, async ({ detail }) => {
  if (detail && detail === known) return;
  try {
    const reply = await fetch(place.dataset.behindUrl || "", { headers: { "HX-Request": "true" } });
    if (!reply.ok || reply.redirected) return;
    known = detail;
    const html = (await reply.text()).trim();
    if (html === place.innerHTML.trim()) return;
    place.innerHTML = html;
    document.dispatchEvent(new Event(TIMES_ADDED));
  } catch {
    // The next message asks again. The page itself says that the server does not answer.
  }
});
