/* Pages with secrets leave no address behind that would send the form again. */
"use strict";
(() => {
  const place = document.querySelector("[data-url]");
  if (place) history.replaceState(null, "", place.dataset.url);
})();
