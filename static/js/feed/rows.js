/* How news reaches the rows: what did not change is not touched, rows keep their place while somebody reads, new ones wait or light up, and what leaves says why. */
"use strict";
(() => {
  const HOLD = 30_000; // a pointer or cursor at rest for longer holds nothing back
  const FADE = 30_000; // how long a row that left can be taken back
  const ANNOUNCE_EVERY = 10_000;
  const byId = (id) => document.getElementById(id);
  const feed = byId("feed");
  const served = new WeakMap(); // element -> a copy as the server sent it, before times and marks changed it
  const htmls = new Map(); // key -> a row as the server told it last, for rows that are not on the page yet
  const known = new Set(); // keys of the rows this page has shown
  let order = [];
  let touched = 0; // when the pointer or the keyboard last moved in the rows
  let paused = false;
  let arrived = [];
  let storm = ""; // one that began, in words, until it is announced
  let announcedAt = 0;

  const plain = (html) => html.replace(/ aria-current="true"/g, "").replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");
  const remember = (element) => served.set(element, element.cloneNode(true));
  const isSame = (one, other) => plain(one.outerHTML) === plain(other.outerHTML);
  const body = () => byId("rows").tBodies[0];
  const rowOf = (key) => byId(`incident-${key}`);

  function parsed(html) {
    const template = document.createElement("template");
    template.innerHTML = html.trim();
    return template.content.firstElementChild;
  }

  function keepingFocus(change) {
    const id = document.activeElement?.id;
    const before = touched;
    change();
    if (id && document.activeElement?.id !== id) byId(id)?.focus({ preventScroll: true });
    touched = before;
  }

  /* Change what the server says otherwise than before, down to the smallest part: what a hand, a cursor or a request is on stays. */
  const textOf = (element) => [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data.trim()).join("|");
  const asksOf = (element) => [...element.attributes].filter(({ name }) => name.startsWith("hx-")).map(({ name, value }) => name + value).join("|");

  function isAlike(live, before, fresh) {
    return before.tagName === fresh.tagName && before.id === fresh.id && fresh.children.length > 0
      && before.children.length === fresh.children.length && live.children.length === fresh.children.length
      && textOf(before) === textOf(fresh) && asksOf(before) === asksOf(fresh);
  }

  function change(live, before, fresh) {
    if (isSame(before, fresh)) return live;
    if (!isAlike(live, before, fresh)) {
      const adopted = document.importNode(fresh, true);
      keepingFocus(() => live.replaceWith(adopted));
      htmx.process(adopted);
      return adopted;
    }
    for (const { name, value } of fresh.attributes) if (before.getAttribute(name) !== value) live.setAttribute(name, value);
    for (const { name } of before.attributes) if (!fresh.hasAttribute(name)) live.removeAttribute(name);
    [...fresh.children].forEach((child, place) => change(live.children[place], before.children[place], child));
    return live;
  }

  function update(old, fresh) {
    const before = served.get(old) || old.cloneNode(true);
    if (isSame(before, fresh)) return old;
    const changed = change(old, before, fresh);
    served.set(changed, fresh);
    document.dispatchEvent(new Event("console:times"));
    return changed;
  }

  /* Whether somebody is reading, so that no row may move: the view is paused or scrolled, something is selected, a menu or a dialog is open, the rows are under a hand. */
  function isRead() {
    if (paused || document.querySelector("dialog[open]")) return true;
    if (document.querySelector("#main details[open]")) return true;
    if (byId("main").scrollTop > 0 || scrollY > 0 || body().querySelector("[name=incident]:checked")) return true;
    const isUnderHand = body().matches(":hover") || body().contains(document.activeElement);
    return isUnderHand && Date.now() - touched < HOLD;
  }

  /* News */
  function receive(told) {
    for (const [key, html] of Object.entries(told.rows || {})) {
      htmls.set(key, html);
      const row = rowOf(key);
      if (row) update(row, parsed(html));
    }
    for (const [key, html] of Object.entries(told.gone || {})) leave(key, html);
    if (told.order) order = told.order;
    if (told.counts) for (const [key, count] of Object.entries(told.counts)) for (const element of document.querySelectorAll(`[data-count="${key}"]`)) if (count && element.textContent !== count) element.textContent = count;
    if ("pills" in told) update(byId("pills"), parsed(told.pills));
    if ("end" in told) fill(byId("feed-end"), told.end);
    if ("storm" in told) tellStorm(told.storm);
    if ("worst" in told) feed.dataset.worst = told.worst;
    if ("icon" in told) feed.dataset.icon = told.icon;
    if ("matching_count" in told) feed.dataset.matching = told.matching_count ?? "";
    if (told.last_event) byId("last-event")?.firstElementChild?.setAttribute("datetime", told.last_event);
    settle();
    document.dispatchEvent(new Event("console:times"));
    document.dispatchEvent(new Event("console:refreshed"));
  }

  function fill(element, html) {
    if (element.dataset.told === html) return;
    element.dataset.told = html;
    const opened = element.querySelector("details[open]");
    keepingFocus(() => { element.innerHTML = html; });
    if (opened) element.querySelector("details")?.setAttribute("open", "");
    htmx.process(element);
  }

  /* Its figures change with each round: only that it began is announced. */
  function tellStorm(html) {
    const before = byId("storm").childElementCount;
    fill(byId("storm"), html);
    storm = byId("storm").childElementCount ? storm || (before ? "" : byId("storm-summary").querySelector("strong").textContent) : "";
  }

  /* A row that left stays where it was for a while, says why, and moves nothing. */
  function leave(key, html) {
    const row = rowOf(key);
    if (!row) return;
    const gone = parsed(html);
    const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value || "";
    for (const field of gone.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
    gone.style.height = `${row.offsetHeight}px`;
    row.replaceWith(gone);
    known.delete(key);
    setTimeout(() => forget(gone), FADE);
  }

  function forget(gone) {
    if (gone.matches(":hover, :focus-within") || isRead()) setTimeout(() => forget(gone), 1000);
    else gone.remove();
    byId("rows").hidden = !body().rows.length;
  }

  /* Put the rows into the server's order, or let what is new wait. */
  function settle() {
    const there = new Set([...body().rows].filter((row) => row.id).map((row) => row.dataset.key));
    const added = order.filter((key) => !there.has(key));
    const isMoved = added.length > 0 || [...there].join() !== order.join();
    if (isMoved && isRead()) return wait(added.filter((key) => !known.has(key)).length);
    const fresh = [];
    let place = body().firstElementChild;
    const past = () => { while (place && (!place.id || !order.includes(place.dataset.key))) place = leaveOut(place); };
    for (const key of order) {
      past();
      let row = rowOf(key);
      if (!row) {
        row = parsed(htmls.get(key) || "");
        if (!row) continue;
        body().querySelector(`.row-gone[data-key="${key}"]`)?.remove(); // it is back
        remember(row);
        if (!known.has(key)) fresh.push(row);
        known.add(key);
      }
      if (row === place) place = place.nextElementSibling;
      else {
        keepingFocus(() => body().insertBefore(row, place));
        htmx.process(row);
      }
    }
    while (place) place = leaveOut(place);
    byId("rows").hidden = !body().rows.length;
    for (const key of htmls.keys()) if (!order.includes(key)) htmls.delete(key);
    wait(0, false);
    greet(fresh);
  }

  /* Past a row that is on its way out; one that only fell off the page is taken away. */
  function leaveOut(row) {
    const next = row.nextElementSibling;
    if (row.id) row.remove();
    return next;
  }

  function greet(fresh) {
    for (const row of fresh) {
      row.classList.add("is-new");
      arrived.push(row.dataset.status);
    }
    announce();
  }

  function announce() {
    if (!(arrived.length || storm) || Date.now() - announcedAt < ANNOUNCE_EVERY) return;
    const counts = new Map();
    for (const status of arrived) counts.set(status, (counts.get(status) || 0) + 1);
    const parts = [...counts].map(([status, count]) => `${count} new ${status}`);
    const incidents = arrived.length ? `${parts.join(", ")} incident${arrived.length > 1 ? "s" : ""}` : "";
    byId("announcer").textContent = [storm, incidents].filter(Boolean).join(". ");
    arrived = [];
    storm = "";
    announcedAt = Date.now();
  }

  function wait(count, isWaiting = true) {
    byId("waiting").hidden = !isWaiting;
    byId("show-waiting").textContent = count ? `${count} new – show` : "The order changed – show";
    document.dispatchEvent(new CustomEvent("console:waiting", { detail: count }));
  }

  function carry() {
    const incident = byId("incident-title");
    document.title = `${feed.dataset.worst}${incident ? `${incident.textContent} · ` : ""}${feed.dataset.name}Incident console`;
    const icon = byId("icon");
    if (icon.getAttribute("href") !== feed.dataset.icon) icon.setAttribute("href", feed.dataset.icon);
  }

  /* The open incident, and an integration's state: parts that are asked for again as a whole. */
  function refreshWhole(old, fragment) {
    const fresh = fragment.querySelector(`#${old.id}`);
    if (!fresh || fresh.dataset.key !== old.dataset.key) return;
    const open = [...old.querySelectorAll("details[open]")].map((details) => details.id);
    const shut = [...old.querySelectorAll("details:not([open])")].map((details) => details.id);
    update(old, fresh);
    for (const id of open) byId(id)?.setAttribute("open", "");
    for (const id of shut) byId(id)?.removeAttribute("open");
  }

  htmx.defineExtension("rows", {
    isInlineSwap: (style) => style === "whole",
    handleSwap: (style, target, fragment) => {
      if (style !== "whole") return false;
      refreshWhole(target, fragment);
      return [];
    },
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const incident = byId("incident");
    if (event.target.id === "pane" && incident) remember(incident);
  });
  if (byId("incident")) remember(byId("incident"));
  if (!feed) return;

  document.addEventListener("console:feed", (event) => receive(event.detail));
  document.addEventListener("console:refreshed", carry);
  document.addEventListener("console:pause", (event) => { paused = event.detail; settle(); });
  document.addEventListener("pointermove", (event) => {
    if ((event.movementX || event.movementY) && event.target.closest?.("#rows")) touched = Date.now();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest?.("#rows")) touched = Date.now();
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.closest("#rows") && !event.relatedTarget?.closest("#rows")) touched = Date.now();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.(".row-link")) event.target.closest("tr").classList.remove("is-new");
    if (!event.target.closest?.("#show-waiting")) return;
    touched = 0;
    byId("main").scrollTop = 0;
    scrollTo(0, 0);
    if (paused) byId("pause").click();
    for (const box of body().querySelectorAll("[name=incident]:checked")) box.click();
    for (const menu of document.querySelectorAll("#main details[open]")) menu.open = false;
    settle();
  });
  // What people do themselves they want to see at once.
  document.addEventListener("htmx:beforeRequest", (event) => { if (event.detail.requestConfig.verb === "post") touched = 0; });
  setInterval(() => {
    if (!byId("waiting").hidden && !isRead()) settle();
    announce();
  }, 500);

  remember(byId("pills"));
  for (const row of body().rows) {
    remember(row);
    known.add(row.dataset.key);
  }
  order = [...known];
})();
