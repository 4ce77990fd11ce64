"""Every page meets docs/how-it-works.md §11.4: axe finds nothing, no id stands twice, dialogs keep the focus, small screens suffice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.furnishing import furnish
from tests.browser.site_map import SiteMap
from tests.browser.test_main_job import sign_in
from tests.running_console import RunningConsole

pytest.importorskip("playwright")
pytest.importorskip("axe_playwright_python")


@pytest.fixture(scope="module")
def site(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteMap]:
    """Return the pages of a console with some of everything."""
    with RunningConsole.prepared(tmp_path_factory.mktemp("furnished")) as console:
        wallboard = furnish(console)
        page = sign_in(browser, console)
        yield SiteMap(page, wallboard)
        page.context.close()


@pytest.fixture
def visitor(site: SiteMap) -> Any:
    return site.page


def violations(page: Any, where: str) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    told = [f"{where}: {each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]]
    # What separates two regions of a page stands in neither.
    return [each for each in told if 'region: <div class="separator' not in each]


def test_a_link_leads_to_every_page_of_the_map(site: SiteMap) -> None:
    assert site.unreached == []


DUPLICATES = """(() => {
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  return [...new Set(ids.filter((id, place) => ids.indexOf(id) !== place))];
})()"""


def test_each_dialog_keeps_the_focus_and_gives_it_back(visitor: Any, site: SiteMap) -> None:
    visitor.goto(site.addresses["incidents:detail"])
    openers = visitor.locator("#pane [hx-target='#dialog']:visible")
    assert openers.count() >= 2
    for place in range(openers.count()):
        opener = openers.nth(place)
        opener.focus()
        visitor.keyboard.press("Enter")
        dialog = visitor.locator("#dialog[open]")
        dialog.wait_for()
        assert violations(visitor, opener.inner_text()) == []
        assert visitor.evaluate(DUPLICATES) == []
        for _ in range(25):
            visitor.keyboard.press("Tab")
            assert visitor.evaluate(
                "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
            )
        visitor.keyboard.press("Escape")
        dialog.wait_for(state="detached")
        assert opener.evaluate("element => element === document.activeElement"), opener.inner_text()


def test_the_top_bar_is_one_row_on_a_phone(visitor: Any, site: SiteMap) -> None:
    for width in (390, 320):
        visitor.set_viewport_size({"width": width, "height": 700})
        visitor.goto("/")
        visitor.locator(".live[data-state=live]").wait_for()
        assert visitor.locator(".topbar").bounding_box()["height"] < 56, width
    visitor.set_viewport_size(DESKTOP)


SMALL = """[...document.querySelectorAll("a[href], button, summary, select, input:not([type=hidden])")].filter((element) => {
  const boxes = [element, element.closest("label")].filter(Boolean).map((each) => each.getBoundingClientRect());
  const isInText = getComputedStyle(element).display === "inline";
  return element.checkVisibility() && boxes[0].width > 1 && !isInText && !element.matches(".row-link")
    && Math.min(Math.max(...boxes.map(({ width }) => width)), Math.max(...boxes.map(({ height }) => height))) < 24;
}).map((element) => element.outerHTML.slice(0, 120))"""  # a row's link covers the row


WIDTHS = (320, 640, 768, 1024)  # 640 is 1280 at 200 % zoom
DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def found(site: SiteMap) -> dict[str, list[str]]:
    """Return what is wrong on any page, by kind. Each page is opened once, because opening costs most of the time."""
    page = site.page
    found: dict[str, list[str]] = defaultdict(list)
    for address in site.addresses.values():
        page.goto(address)
        found["id"] += [f"{address}: {each}" for each in page.evaluate(DUPLICATES)]
        found["small"] += [f"{address}: {each}" for each in page.evaluate(SMALL)]
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            found[theme] += violations(page, address)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 600})
            if (over := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
                found[f"{width} px"].append(f"{address}: {over} px")
        page.set_viewport_size(DESKTOP)
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(found: dict[str, list[str]], theme: str) -> None:
    assert not found[theme], "\n".join(found[theme])


def test_no_id_stands_twice_on_a_page(found: dict[str, list[str]]) -> None:
    assert not found["id"], "\n".join(found["id"])


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_its_screen(found: dict[str, list[str]], width: int) -> None:
    assert not found[f"{width} px"], "\n".join(found[f"{width} px"])


def test_whatever_is_pressed_is_at_least_24_pixels_high_and_wide(found: dict[str, list[str]]) -> None:
    assert not found["small"], "\n".join(found["small"])
