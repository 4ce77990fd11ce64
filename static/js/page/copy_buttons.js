/* Copying: a button says by `data-copy` whose text it copies; each list of tags gets one for every value, since copying needs a script anyway. */
"use strict";
(() => {
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

  function said(button) {
    const word = button.querySelector("span");
    if (word) {
      word.textContent = "Copied";
      setTimeout(() => { word.textContent = "Copy"; }, 2000);
    }
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 2000);
    const announcer = document.getElementById("announcer");
    announcer.textContent = "";
    requestAnimationFrame(() => { announcer.textContent = "Copied"; });
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], .copy-value");
    if (!button) return;
    const element = button.dataset.copy ? document.getElementById(button.dataset.copy) : button.parentElement;
    const values = [...element.querySelectorAll(":scope > .value, :scope > .link-button")].map((each) => each.href ?? each.textContent);
    await copy(button.dataset.copy ? element.textContent.trim() : values.join("\n"), element);
    said(button);
  });

  /* Only for lists that are open: an incident of a thousand alerts has ten thousand values. */
  function offer() {
    for (const value of document.querySelectorAll(".tag-list dd:not(:has(.copy-value))")) {
      if (value.closest("details:not([open])") || !value.firstElementChild) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet copy-value";
      button.setAttribute("aria-label", `Copy ${value.previousElementSibling.textContent}`);
      button.append(document.getElementById("copy-icon").content.cloneNode(true));
      value.append(button);
    }
  }
  document.addEventListener("toggle", offer, true);
  document.addEventListener("htmx:afterSettle", offer);
  offer();
})();
