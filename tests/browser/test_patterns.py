"""A pattern in a real browser: written with help, tried over past events, and enabled. Then it groups alerts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.test_main_job import post, sign_in
from tests.running_console import RunningConsole, eventually

pytest.importorskip("playwright")


@pytest.fixture
def page(browser: Any, console: RunningConsole) -> Iterator[Any]:
    """Return a signed-in administrator's page. Any complaint of the browser fails the test."""
    page = sign_in(browser, console)
    complaints: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.context.close()
    assert complaints == []


def test_a_pattern_is_written_tried_and_enabled(page: Any, console: RunningConsole) -> None:
    from playwright.sync_api import expect

    token = console.manage("create_org_token", "Senders", "--all-app-keys")
    app_key = console.manage("create_app_key", "Nagios")
    for number in range(4):
        post(
            console,
            token,
            {"app_key": app_key, "status": "critical", "host": f"web-{number}", "rack": f"r{number % 2}"},
        )
    page.goto("/")
    expect(page.get_by_text("web-3")).to_be_visible()

    # While it is written, it says what it would look at, and where the filter breaks.
    page.get_by_role("link", name="Patterns").click()
    page.get_by_role("link", name="New pattern").click()
    assert page.locator('#tags-seen option[value="rack"]').count() == 1
    page.get_by_label("Tag 1").fill("rack")
    page.get_by_role("textbox", name="where optional").fill("host = web-* AND")
    expect(page.locator("#filter-error")).to_contain_text("Expected a tag or keyword, but the query ends here.")
    page.get_by_role("textbox", name="where optional").fill("host = web-*")
    expect(page.locator("#reach")).to_contain_text("Of the latest 4 alerts")
    expect(page.locator("#reach")).to_contain_text("Have the tag")

    # Tried over the last days, it shows what it would have made; the page follows by itself.
    page.get_by_role("button", name="Try it over").click()
    expect(page.get_by_text("2 groups would gather what are several incidents now")).to_be_visible(timeout=30_000)
    expect(page.locator(".figures")).to_contain_text("4 → 2")
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_role("heading", name="Same rack within 1 hour")).to_be_visible()
    expect(page.get_by_text("It is in force")).to_be_visible()

    # From then on it gathers, and says so.
    for number in range(2):
        post(console, token, {"app_key": app_key, "status": "critical", "host": f"web-{number}b", "rack": "r9"})

    def gathered() -> bool:
        page.goto("/patterns")
        return "1 alert into 1" in page.locator("main").inner_text()

    eventually(gathered, "the pattern has joined an alert")

    # Moved, deleted and restored, without a word lost.
    page.get_by_role("button", name="Ask same rack within 1 hour earlier").click()
    expect(page.get_by_text("The order was set by hand.")).to_be_visible()
    page.get_by_role("link", name="rack", exact=True).click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_text("Deleted, 1").click()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("Restored: same rack within 1 hour.")).to_be_visible()
