/* The frame: light and dark, names that are cut, questions in a dialog, and the open incident beside the feed. */
"use strict";
(() => {
  const dialog = document.getElementById("dialog");
  const pane = document.getElementById("pane");

  /* Light and dark */
  document.querySelector(".themes")?.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    event.preventDefault();
    document.documentElement.dataset.theme = button.value;
    fetch(button.form.action, { method: "POST", body: new FormData(button.form, button), redirect: "manual" });
    for (const each of document.querySelectorAll(".themes button")) each.setAttribute("aria-pressed", String(each === button));
  });

  /* What is cut for want of room has its full text in a title, for the pointer; who comes by the keyboard reads it here. */
  const inFull = Object.assign(document.createElement("div"), { className: "in-full", popover: "manual" });
  inFull.setAttribute("aria-hidden", "true"); // nothing is cut for who listens
  document.body.append(inFull);
  const REST = 600; // milliseconds on one thing, so that it covers nothing for who goes on
  const hasOwnTip = ".link-button"; // tells where it leads, cut or not
  let resting = 0;
  const hides = (element) => getComputedStyle(element).overflowX !== "visible" && (element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight);
  const isCut = (element) => [element, ...element.querySelectorAll(":not(.visually-hidden)")].some(hides);

  function placeInFull() {
    const { left } = document.activeElement.getBoundingClientRect();
    const { top, bottom } = (document.activeElement.closest(".rows tr") || document.activeElement).getBoundingClientRect();
    const { width, height } = inFull.getBoundingClientRect();
    inFull.style.left = `${Math.max(4, Math.min(left, innerWidth - width - 4))}px`;
    inFull.style.top = `${bottom + height + 8 < innerHeight ? bottom + 4 : top - height - 4}px`;
  }

  function showInFull(element) {
    const place = element.closest(".rows tr") || element;
    const texts = [place, ...place.querySelectorAll("[title]")].filter((each) => each.title && isCut(each)).map((each) => each.title);
    if (!texts.length || element !== document.activeElement) return;
    inFull.textContent = texts.join("\n");
    inFull.showPopover();
    placeInFull();
  }

  document.addEventListener("focusin", ({ target }) => {
    if (target.matches(":focus-visible") && !target.matches(hasOwnTip)) resting = setTimeout(showInFull, REST, target);
  });
  for (const event of ["focusout", "keydown", "pointerdown"]) {
    document.addEventListener(event, () => {
      clearTimeout(resting);
      inFull.hidePopover();
    }, true);
  }
  document.addEventListener("scroll", () => { if (inFull.matches(":popover-open")) placeInFull(); }, { capture: true, passive: true });

  /* Questions: what htmx puts into the dialog opens it */
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target === pane) {
      if (dialog.contains(event.detail.requestConfig?.elt)) dialog.close(); // it was answered
      keepDraft();
    }
    if (event.target !== dialog || dialog.open) return;
    dialog.showModal();
    const first = dialog.querySelector("input:not([type=hidden]), select, textarea, button");
    (first?.type === "radio" ? first.form.querySelector(`[name="${first.name}"]:checked`) || first : first)?.focus();
    document.dispatchEvent(new Event("console:dialog"));
  });
  document.addEventListener("console:begun", () => dialog.close()); // the server's word for an action on many at once
  dialog?.addEventListener("click", (event) => {
    if (event.target !== dialog && !event.target.closest("[data-dismiss]")) return;
    event.preventDefault();
    dialog.close();
  });
  dialog?.addEventListener("close", () => dialog.replaceChildren());

  /* The open incident */
  const isBeside = () => getComputedStyle(document.getElementById("main")).display !== "none";

  /* What somebody is writing outlives an answer that comes meanwhile, and another tab, while it is about the same incident. */
  let draft = null;
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const box = document.getElementById("comment");
    if (detail.target !== pane || !box) return;
    const isSent = detail.requestConfig.elt === box.form || box.form.matches(".htmx-request");
    draft = isSent ? null : { about: box.form.action, text: box.value };
  });

  function keepDraft() {
    const box = document.getElementById("comment");
    if (box && draft?.about === box.form.action) box.value ||= draft.text;
    draft = null;
  }

  function markOpen() {
    const path = location.pathname.match(/^\/incidents\/\d+/)?.[0];
    for (const link of document.querySelectorAll(".row-link[hx-get]")) {
      if (path && new URL(link.href).pathname === path) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  function closeIncident() {
    const link = document.getElementById("close");
    pane.replaceChildren();
    history.pushState({ htmx: true }, "", link.href.split("#")[0]);
    markOpen();
    document.getElementById(link.hash.slice(1))?.querySelector("a").focus();
    document.dispatchEvent(new Event("console:refreshed"));
  }

  document.addEventListener("htmx:pushedIntoHistory", markOpen);
  document.addEventListener("console:refreshed", markOpen);
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target !== pane) return;
    document.dispatchEvent(new Event("console:refreshed"));
    if (!isBeside() || !document.activeElement || document.activeElement === document.body) document.getElementById("incident-title")?.focus({ preventScroll: true });
    if (!isBeside()) scrollTo(0, 0);
    else if (!pane.contains(document.activeElement)) pane.scrollTo(0, 0);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#close");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    closeIncident();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || dialog.open || !document.getElementById("close")) return;
    if (event.target.matches("input, textarea")) event.target.blur();
    else closeIncident();
  });

  /* A refused action is shown by the server's own page; one that broke is told where it was tried. */
  document.addEventListener("htmx:responseError", (event) => {
    const { elt, target, xhr } = event.detail;
    if (target !== pane && target !== dialog) return;
    if (xhr.status < 500 && elt.matches("form")) HTMLFormElement.prototype.submit.call(elt);
    else if (xhr.status < 500) location.assign(elt.href);
    else tellBroken("The server could not do this. Try again in a moment.");
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.target === pane || event.detail.target === dialog) tellBroken("The server does not answer. Nothing was changed.");
  });

  function tellBroken(text) {
    const banner = document.createElement("p");
    banner.className = "banner banner-error";
    banner.setAttribute("role", "alert");
    banner.textContent = text;
    (dialog.open ? dialog : pane || document.getElementById("main")).prepend(banner);
    setTimeout(() => banner.remove(), 10_000);
  }

  document.querySelector("#rows [aria-current]")?.closest("tr").scrollIntoView({ block: "nearest" });
  if (location.hash.startsWith("#incident-")) document.getElementById(location.hash.slice(1))?.querySelector("a")?.focus();
})();
