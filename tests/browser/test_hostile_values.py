"""Hostile values stay text: on every page of the URL map, in dialogs and suggestions, and in addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.browser.filling import Texts, fill_every_field
from tests.browser.furnishing import furnish
from tests.browser.site_map import SiteMap
from tests.browser.test_main_job import sign_in
from tests.running_console import RunningConsole

pytest.importorskip("playwright")

MARKUP = (
    "\N{RIGHT-TO-LEFT OVERRIDE}\"'><img src=x id=pwned onerror=pwned()><script>pwned()</script><svg onload=pwned()>"
    "<a href=javascript:pwned() data-pwned hx-get=/pwned hx-trigger=load>{{7*7}}{%csrf_token%}${7*7}</a>\a\x1b]0;pwned\a"
)
SHORT = "\"'><b id=pwned onclick=pwned()>"
LINK = "javascript:pwned()"
MARKDOWN = f'[here]({LINK}) ![there]({LINK}) <{LINK}> <img src=x onerror=pwned()> [x](https://x.example/"onclick=pwned()) {MARKUP}'
TAGS: dict[str, str | list[str]] = {
    MARKUP: MARKUP,
    "link": LINK,
    "disguised": " jAvAsCrIpT\t:pwned()",
    "data": "data:text/html,<script>pwned()</script>",
    "runbook": 'https://runbook.example/"onmouseover="pwned()"data-pwned="\'><img id=pwned>',
    "several": [LINK, SHORT, "https://x.example/<b id=pwned>"],
}

WATCH = """
window.ran = [];
window.pwned = () => window.ran.push("a script");
for (const each of ["alert", "confirm", "prompt"]) window[each] = () => window.ran.push(each);
document.addEventListener("securitypolicyviolation", (event) => window.ran.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""
# What only such a value could have made: elements, attributes, scripts and addresses that no page of ours has.
MADE = """(() => {
  const strange = "#pwned, [data-pwned], img, iframe, object, embed, base, style, script:not([src^='/static/']), meta[http-equiv]";
  const leads = /^(href|src|action|formaction|xlink:href|hx-get|hx-post)$/;
  const runs = /^[\\s\\x00-\\x1f]*(javascript|data|vbscript):/i;
  const acts = ({ name, value }) => name.startsWith("on") || (leads.test(name) && runs.test(value));
  const found = [...document.querySelectorAll("*")].filter((each) => each.matches(strange) || [...each.attributes].some(acts));
  return [...found.map((each) => each.outerHTML.slice(0, 200)), ...window.ran];
})()"""


@pytest.fixture(scope="module")
def site(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteMap]:
    """Return the pages of a console that a hostile sender filled."""
    with RunningConsole.prepared(tmp_path_factory.mktemp("hostile")) as console:
        wallboard = furnish(console)
        page = sign_in(browser, console)
        page.add_init_script(WATCH)
        fill_every_field(console, Texts(MARKUP, SHORT, LINK, MARKDOWN, TAGS))
        yield SiteMap(page, wallboard)
        page.context.close()


def made_on(page: Any, where: str) -> list[str]:
    return [f"{where}: {each}" for each in page.evaluate(MADE)]


def test_no_page_breaks_and_each_is_reached(site: SiteMap) -> None:
    assert site.broken == []
    assert site.unreached == []


def test_on_no_page_does_it_become_more_than_text(site: SiteMap) -> None:
    found, shown = [], 0
    for address in site.addresses.values():
        site.page.goto(address)
        shown += "{{7*7}}" in site.page.content()
        found += made_on(site.page, address)
    assert not found, "\n".join(found)
    assert shown > len(site.addresses) / 2  # else the values were not there to begin with


def test_what_stands_in_an_address_stays_text(site: SiteMap) -> None:
    names = (
        "q",
        "alert-q",
        "alert",
        "event",
        "env",
        "folder",
        "sort",
        "status",
        "source",
        "owner",
        "name",
        "after",
        "pane_after",
        "tab",
        "alert-sort",
    )
    found = []
    for address in site.addresses.values():
        for value in (MARKUP, LINK):
            asked = (
                f"{address.partition('?')[0]}?{urlencode({**dict.fromkeys(names, value), 'next': LINK, 'from': value})}"
            )
            if (reply := site.page.goto(asked)) and reply.status >= 500:
                found.append(f"{asked}: {reply.status}")
            found += made_on(site.page, asked)
    assert not found, "\n".join(found)


def test_dialogs_suggestions_and_the_command_box_show_it_as_text(site: SiteMap) -> None:
    page = site.page
    page.goto(site.addresses["incidents:detail"])
    openers = page.locator("#pane [hx-target='#dialog']:visible")
    found = []
    for place in range(openers.count()):
        openers.nth(place).press("Enter")
        page.locator("#dialog[open]").wait_for()
        found += made_on(page, f"dialog {place}")
        page.keyboard.press("Escape")
        page.locator("#dialog[open]").wait_for(state="detached")
    for query in ("", "link = ", "source = ", f'"{SHORT}"'):
        page.locator("#q").fill(query)
        page.wait_for_timeout(400)
        found += made_on(page, f"suggestions for {query!r}")
    page.keyboard.press("Control+k")
    page.locator("#command[open]").wait_for()
    page.keyboard.type("pwned")
    found += made_on(page, "command box")
    assert not found, "\n".join(found)
