/* How a refresh reaches the page: what did not change is not touched, rows keep their place while somebody reads, and new ones wait or light up. */
"use strict";
(() => {
  const HOLD = 30_000; // a pointer or cursor at rest for longer holds nothing back
  const DIALOG_HOLD = 60_000;
  const served = new WeakMap(); // element -> a copy as the server sent it, before times and marks changed it
  const known = new Set(); // keys of the rows this page has shown
  let touched = 0; // when the pointer or the keyboard last moved in the rows
  let dialogSince = 0;
  let waiting = false;

  const byId = (id) => document.getElementById(id);
  const plain = (html) => html.replace(/ aria-current="true"/g, "").replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");
  const remember = (element) => served.set(element, element.cloneNode(true));
  const isSame = (one, other) => plain(one.outerHTML) === plain(other.outerHTML);

  function rememberParts(feed) {
    for (const part of feed.children) remember(part);
    for (const row of feed.querySelectorAll("tbody > tr")) {
      remember(row);
      known.add(row.dataset.key);
    }
  }

  function keepingFocus(change) {
    const id = document.activeElement?.id;
    change();
    if (id && document.activeElement?.id !== id) byId(id)?.focus({ preventScroll: true });
  }

  const textOf = (element) => [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data.trim()).join("|");
  const asksOf = (element) => [...element.attributes].filter(({ name }) => name.startsWith("hx-")).map(({ name, value }) => name + value).join("|");

  function isAlike(live, before, fresh) {
    return before.tagName === fresh.tagName && before.id === fresh.id && fresh.children.length > 0
      && before.children.length === fresh.children.length && live.children.length === fresh.children.length
      && textOf(before) === textOf(fresh) && asksOf(before) === asksOf(fresh);
  }

  /* Change what the server says otherwise than before, down to the smallest part: what a hand, a cursor or a request is on stays. */
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
    const before = served.get(old);
    if (isSame(before, fresh)) return old;
    const changed = change(old, before, fresh);
    served.set(changed, fresh);
    document.dispatchEvent(new Event("console:times"));
    return changed;
  }

  function adopt(element) {
    remember(element);
    htmx.process(element);
    document.dispatchEvent(new Event("console:times"));
    return element;
  }

  function isRead() {
    const rows = byId("rows");
    if (!rows) return false;
    if (byId("dialog").open) return Date.now() - dialogSince < DIALOG_HOLD;
    const isUnderHand = rows.tBodies[0].matches(":hover") || rows.tBodies[0].contains(document.activeElement);
    return isUnderHand && Date.now() - touched < HOLD;
  }

  function reconcile(body, fresh) {
    const old = new Map([...body.rows].map((row) => [row.dataset.key, row]));
    const keys = [...fresh.rows].map((row) => row.dataset.key);
    const added = [...fresh.rows].filter((row) => !old.has(row.dataset.key));
    const moves = added.length > 0 || [...old.keys()].join() !== keys.join();
    for (const row of fresh.rows) if (old.has(row.dataset.key)) old.set(row.dataset.key, update(old.get(row.dataset.key), row));
    if (moves && isRead()) return wait(added.filter((row) => !known.has(row.dataset.key)).length);
    const arrived = [];
    let place = body.rows[0] || null;
    for (const row of fresh.rows) {
      const kept = old.get(row.dataset.key);
      const wanted = kept || document.importNode(row, true);
      if (wanted === place) place = place.nextElementSibling;
      else keepingFocus(() => body.insertBefore(wanted, place));
      if (!kept) {
        adopt(wanted);
        if (!known.has(wanted.dataset.key)) arrived.push(wanted);
        known.add(wanted.dataset.key);
      }
    }
    while (place) {
      const gone = place;
      place = place.nextElementSibling;
      gone.remove();
    }
    wait(0, false);
    greet(arrived);
  }

  function greet(arrived) {
    if (!arrived.length) return;
    for (const row of arrived) row.classList.add("is-new");
    const statuses = arrived.map((row) => row.dataset.status);
    document.dispatchEvent(new CustomEvent("console:arrived", { detail: statuses }));
  }

  function wait(count, isWaiting = true) {
    waiting = isWaiting;
    const banner = byId("waiting");
    if (!banner) return;
    banner.hidden = !isWaiting;
    byId("show-waiting").textContent = count ? `${count} new – show` : "The order changed – show";
    if (isWaiting) document.dispatchEvent(new CustomEvent("console:waiting", { detail: count }));
  }

  function refreshFeed(feed, fragment) {
    const fresh = fragment.querySelector("#feed");
    if (!fresh) return;
    Object.assign(feed.dataset, fresh.dataset);
    const rail = fragment.querySelector("#rail");
    if (rail && byId("rail")) update(byId("rail"), rail);
    for (const name of ["#pills", "#feed-end"]) update(feed.querySelector(name), fresh.querySelector(name));
    byId("rows").hidden = fresh.querySelector("#rows").hidden;
    reconcile(byId("rows").tBodies[0], fresh.querySelector("#rows tbody"));
    document.dispatchEvent(new Event("console:refreshed"));
  }

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
    isInlineSwap: (style) => style === "rows" || style === "whole",
    handleSwap: (style, target, fragment) => {
      if (style === "rows") refreshFeed(target, fragment);
      else if (style === "whole") refreshWhole(target, fragment);
      else return false;
      return [];
    },
  });

  document.addEventListener("pointermove", (event) => {
    if ((event.movementX || event.movementY) && event.target.closest?.("#rows")) touched = Date.now();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest?.("#rows")) touched = Date.now();
  });
  document.addEventListener("console:dialog", () => { dialogSince = Date.now(); });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#show-waiting")) return;
    touched = 0;
    document.dispatchEvent(new Event("console:ask"));
  });
  // What people do themselves they want to see at once.
  document.addEventListener("htmx:beforeRequest", (event) => { if (event.detail.requestConfig.verb === "post") touched = 0; });
  document.addEventListener("htmx:afterSwap", (event) => {
    const incident = byId("incident");
    if (event.target.id === "pane" && incident) remember(incident);
  });
  setInterval(() => { if (waiting && !isRead()) document.dispatchEvent(new Event("console:ask")); }, 500);

  for (const id of ["rail", "incident"]) if (byId(id)) remember(byId(id));
  if (byId("feed")) rememberParts(byId("feed"));
})();
