"""Actions on incidents in a real browser: in bulk, by keys, by grouping, and without scripts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.test_main_job import post, sign_in
from tests.running_console import RunningConsole, eventually

pytest.importorskip("playwright")


@pytest.fixture
def console_with_three(console: RunningConsole) -> RunningConsole:
    token, app_key = (
        console.manage("create_org_token", "test", "--all-app-keys"),
        console.manage("create_app_key", "test"),
    )
    for host in ("db-1", "web-1", "mail-1"):
        post(console, token, {"app_key": app_key, "status": "critical", "host": host, "check": "disk", "team": "Shop"})
    return console


@pytest.fixture
def page(browser: Any, console_with_three: RunningConsole) -> Iterator[Any]:
    page = sign_in(browser, console_with_three)
    yield page
    page.context.close()


def test_on_a_screen_of_1280_a_row_keeps_its_first_tag_and_the_bar_of_a_selection_is_one_row(page: Any) -> None:
    row = page.locator("#rows tbody tr", has_text="db-1")
    assert row.locator(".tag", has_text="Shop").is_visible()
    page.get_by_label("All on this page").check()
    page.get_by_label("All 3 matching").check()
    first, last = (page.locator(f"#bulk button[value={what}]").bounding_box()["y"] for what in ("resolve", "merge"))
    assert first == last


def test_two_of_three_are_acknowledged_at_once_and_the_toast_takes_it_back(page: Any) -> None:
    from playwright.sync_api import expect

    for host in ("db-1", "web-1"):
        page.get_by_label(f"Select {host}").check()
    page.locator("#bulk").get_by_role("button", name="Acknowledge").click()
    dialog = page.locator("#dialog")
    expect(dialog).to_contain_text("Acknowledge 2 incidents?")
    dialog.get_by_role("button", name="Acknowledge 2").click()
    toast = page.locator("#toasts .toast")
    expect(toast).to_contain_text("2 done")
    page.locator(".row-link", has_text="db-1").click()
    expect(page.locator("#incident")).to_contain_text("Acknowledged by admin")
    toast.get_by_role("button", name="Undo").click()
    expect(page.locator("#incident")).not_to_contain_text("Acknowledged by admin")


def test_by_keys_alone_an_incident_is_snoozed_and_is_back(page: Any) -> None:
    from playwright.sync_api import expect

    page.locator(".row-link", has_text="db-1").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#incident-title")).to_have_text("db-1")
    page.keyboard.press("s")
    expect(page.locator("#dialog")).to_contain_text("Snooze this incident")
    page.locator("#dialog").get_by_label("Comment").focus()
    page.keyboard.type("until the spare part is here")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#incident")).to_contain_text("Snoozed by admin until")
    expect(page.locator("#rows .row-link", has_text="db-1")).to_have_count(0)
    page.keyboard.press("z")
    expect(page.locator("#rows .row-link", has_text="db-1")).to_have_count(1)
    expect(page.locator("body")).to_contain_text("Undone: Snoozed")


def test_another_incident_is_merged_in_and_split_off_again(page: Any) -> None:
    from playwright.sync_api import Error, expect

    page.locator(".row-link", has_text="db-1").click()
    page.locator("#more-actions summary").click()
    page.get_by_role("link", name="Merge others into this").click()
    page.locator("#dialog label", has_text="web-1").get_by_role("checkbox").check()
    page.locator("#dialog").get_by_role("button", name="Merge").click()
    expect(page.locator("#incident")).to_contain_text("2 of 2")
    page.locator("#more-actions summary").click()
    page.get_by_role("link", name="Split or move alerts").click()
    asked: list[Any] = []
    page.route("**/suggest*", lambda route: asked.append(route))  # suggestions stay on their way
    page.locator("#split-q").fill("host = web-1")
    # The row for all that the search finds, and the row of the one alert. Enter searches, and takes nothing out.
    expect(page.locator("#dialog label.pick-row")).to_have_count(2)
    eventually(lambda: page.wait_for_timeout(20) or asked, "the page has asked for suggestions")
    page.keyboard.press("Enter")
    with contextlib.suppress(Error):  # the page has ended the request
        asked[0].fulfill(json={"suggestions": [{"text": "web-1", "hint": "value", "begins": 7}]})
    page.wait_for_timeout(300)
    expect(page.locator("#split-q-suggestions")).to_be_hidden()
    page.get_by_label("All 1 found").check()
    page.locator("#dialog").get_by_role("button", name="Take out").click()
    expect(page.locator("#rows .row-link")).to_have_count(3)


def test_with_scripts_off_it_works_by_pages(browser: Any, console_with_three: RunningConsole) -> None:
    from playwright.sync_api import expect

    page = sign_in(browser, console_with_three, java_script_enabled=False)
    page.locator(".row-link", has_text="db-1").click()
    page.get_by_role("link", name="Resolve", exact=True).click()
    page.get_by_label("Comment").fill("**spare part** is in")
    page.get_by_role("button", name="Resolve", exact=True).click()
    expect(page.locator("#incident")).to_contain_text("Resolved by you")
    page.goto(f"{page.url.split('?')[0].rstrip('/')}/activity")
    expect(page.locator(".activity-comment strong")).to_have_text("spare part")
    page.locator(".activity").get_by_role("button", name="Undo").first.click()
    expect(page.locator(".activity")).to_contain_text("undid: resolved")
    page.context.close()
