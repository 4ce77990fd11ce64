/* Pages with secrets and commands: copy them, and leave no address behind that would send the form again. */
"use strict";
(() => {
  const place = document.querySelector("[data-url]");
  if (place) history.replaceState(null, "", place.dataset.url);

  async function copy(text, element) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without https there is no clipboard to write to: copy what is selected.
      const range = document.createRange();
      range.selectNodeContents(element);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const element = document.getElementById(button.dataset.copy);
    await copy(element.textContent, element);
    const word = button.querySelector("span");
    word.textContent = "Copied";
    document.getElementById("announcer").textContent = "Copied";
    setTimeout(() => { word.textContent = "Copy"; }, 2000);
  });
})();
