"""A wallboard in a browser without a session: it reports new critical incidents, and warns loudly when its content may be out of date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.test_main_job import post, sign_in
from tests.running_console import RunningConsole, eventually

pytest.importorskip("playwright")


@pytest.fixture
def page(browser: Any, console: RunningConsole) -> Iterator[Any]:
    page = sign_in(browser, console)
    yield page
    page.context.close()


def hang(browser: Any, page: Any, *settings: str, **options: Any) -> Any:
    """Open a new wallboard, made on the page of an administrator."""
    from playwright.sync_api import expect

    page.goto("/wallboards")
    page.get_by_label("Name").fill("Office")
    for setting in settings:
        page.get_by_label(setting).check()
    page.get_by_role("button", name="Create the link").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    screen = browser.new_context(**options).new_page()
    screen.clock.install()
    screen.goto(page.locator("#wall-link").inner_text())
    return screen


def test_it_frames_what_becomes_critical_and_sounds_only_once_somebody_asked(
    browser: Any, console: RunningConsole, page: Any
) -> None:
    from playwright.sync_api import expect

    token, app_key = console.manage("create_org_token", "t", "--all-app-keys"), console.manage("create_app_key", "k")
    screen = hang(browser, page, "A sound when something becomes critical", "A frame around the screen")
    expect(screen.locator("#wall")).to_contain_text("All clear")
    mute = screen.locator("#mute")
    expect(mute).to_have_text("Sound is off – press to hear")
    mute.click()
    expect(mute).to_have_text("Sound is on – press to mute")
    post(console, token, {"app_key": app_key, "status": "critical", "host": "db-1"})
    for _ in range(20):  # it asks every five seconds
        screen.clock.run_for(5000)
        if screen.locator("#wall li").count():
            break
    expect(screen.locator("#wall li")).to_contain_text("db-1")
    expect(screen.locator("body")).to_have_class("wall is-alerted")
    screen.clock.run_for(21_000)
    expect(screen.locator("body")).to_have_class("wall")
    screen.context.close()


def test_a_critical_one_that_comes_up_from_below_the_last_row_is_not_called_new(
    browser: Any, console: RunningConsole, page: Any
) -> None:
    from playwright.sync_api import expect

    token, app_key = console.manage("create_org_token", "t", "--all-app-keys"), console.manage("create_app_key", "k")

    def say(status: str, *numbers: int) -> None:
        alerts = [{"status": status, "host": f"db-{number}"} for number in numbers]
        post(console, token, {"app_key": app_key, "alerts": alerts})

    def shows(critical: int) -> None:
        page.goto("/")
        eventually(
            lambda: page.reload() and page.locator("#pill-critical .count").inner_text() == str(critical),
            "it counts them",
        )

    say("critical", *range(60))
    shows(60)
    screen = hang(browser, page, "A frame around the screen")
    last = screen.locator("#wall li").last.locator(".wall-title").inner_text()
    expect(screen.locator("#wall li")).to_have_count(40)
    say("ok", *range(58, 60))  # two of the first rows
    shows(58)
    screen.clock.run_for(5000)
    expect(screen.locator("#wall li").last).not_to_contain_text(last)
    expect(screen.locator("body")).to_have_class("wall")
    say("critical", 70)
    shows(59)
    screen.clock.run_for(5000)
    expect(screen.locator("body")).to_have_class("wall is-alerted")
    screen.context.close()


def test_it_is_loud_when_it_is_not_live_and_when_its_link_was_revoked_and_comes_back(browser: Any, page: Any) -> None:
    from playwright.sync_api import expect

    screen = hang(browser, page)
    alarm, state = screen.locator("#wall-alarm"), screen.locator("#wall-state")
    expect(state).to_contain_text("Live")
    expect(alarm).to_be_hidden()

    screen.route("**/wall/*?part", lambda route: route.abort())
    screen.clock.run_for(65_000)
    expect(alarm).to_contain_text("Not live since")
    expect(state).not_to_contain_text("Live")
    screen.unroute("**/wall/*?part")
    screen.clock.run_for(6000)
    expect(alarm).to_be_hidden()
    expect(state).to_contain_text("Live")

    page.get_by_role("button", name="Revoke Office").click()
    screen.clock.run_for(6000)
    expect(alarm).to_have_text("This link has ended. What you see is no longer true.")
    expect(state).not_to_contain_text("Live")
    page.get_by_role("button", name="Restore Office").click()
    screen.clock.run_for(6000)
    expect(alarm).to_be_hidden()
    expect(state).to_contain_text("Live")
    screen.context.close()


def test_with_scripts_off_it_says_of_when_it_is(browser: Any, page: Any) -> None:
    screen = hang(browser, page, java_script_enabled=False)
    assert screen.locator("#wall-state").inner_text().startswith("As of 20")
    screen.context.close()
