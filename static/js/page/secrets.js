/** Pages that show a secret once. Their address is replaced by one that does not send the form again. */
import { first } from "../lib/dom.js";

const place = first("[data-url]");
if (place) history.replaceState(null, "", place.dataset.url);
