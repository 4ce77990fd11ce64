"""The feed in several real browsers: news arrive by themselves, wait while a person reads, and a broken connection is reported."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.test_main_job import post, sign_in
from tests.running_console import RunningConsole, eventually

pytest.importorskip("playwright")
Say = Callable[..., None]


@pytest.fixture
def app(console: RunningConsole) -> tuple[str, str]:
    """Return an org token and an App Key."""
    return console.manage("create_org_token", "t", "--all-app-keys"), console.manage("create_app_key", "k")


@pytest.fixture
def say(console: RunningConsole, app: tuple[str, str]) -> Say:
    """Send an alert of a host."""
    token, app_key = app

    def say(host: str, status: str = "critical", **tags: str) -> None:
        post(console, token, {"app_key": app_key, "status": status, "host": host, **tags})

    return say


@pytest.fixture
def page(browser: Any, console: RunningConsole) -> Iterator[Any]:
    page = sign_in(browser, console)
    yield page
    page.context.close()


def row(page: Any, host: str) -> Any:
    return page.locator("#rows tbody tr[id]", has_text=host)


def is_live(page: Any) -> None:
    from playwright.sync_api import expect

    expect(page.locator("#live-words")).to_have_text("Live")


def test_what_one_person_does_the_other_sees_and_can_take_back(
    browser: Any, console: RunningConsole, page: Any, say: Say
) -> None:
    from playwright.sync_api import expect

    rosa = sign_in(
        browser, console, "rosa", console.manage("create_user", "rosa", "--role", "responder", "--keep-password")
    )
    is_live(page)
    is_live(rosa)
    say("db-1")
    say("web-1")
    expect(row(page, "db-1")).to_be_visible()
    expect(row(rosa, "db-1")).to_be_visible()
    expect(page.locator('[data-count="0-active"]').first).to_have_text("2")
    row(rosa, "db-1").get_by_role("link").click()
    rosa.locator("#resolve").click()
    rosa.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    gone = page.locator(".row-gone")
    expect(gone).to_contain_text("resolved by rosa")
    expect(page).to_have_title("(1) Critical · Incident console")
    gone.get_by_role("button", name="Undo").click()
    expect(row(page, "db-1")).to_be_visible()
    expect(row(rosa, "db-1")).to_be_visible()
    rosa.context.close()


def test_a_page_beyond_the_limit_of_live_streams_says_why_it_asks(console: RunningConsole, page: Any) -> None:
    from playwright.sync_api import expect

    is_live(page)
    cookies = "; ".join(f"{each['name']}={each['value']}" for each in page.context.cookies())
    request = f"GET /live?all=1 HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n\r\n".encode()
    page.goto("about:blank")
    with contextlib.ExitStack() as streams:

        def is_streamed() -> bool:
            stream = streams.enter_context(socket.create_connection(("127.0.0.1", console.port), timeout=30))
            stream.sendall(request)
            answer = b""
            while b"event: " not in answer and (piece := stream.recv(1000)):
                answer += piece
            return b"event: ping" in answer

        for _ in range(10):
            eventually(is_streamed, "the page's own stream had ended")
        page.goto(console.url)
        words = page.locator("#live-words")
        expect(words).to_have_text("Not live: 10 browsers open")
        expect(page.locator("#live")).to_have_attribute("title", re.compile("This page asks every 5 s instead"))


def test_a_storm_is_announced_once_and_its_rows_are_as_high_as_any(
    console: RunningConsole, page: Any, app: tuple[str, str]
) -> None:
    from playwright.sync_api import expect

    token, app_key = app
    hosts = ["db-1", "a-name-of-a-machine-that-is-long-enough-to-be-cut-in-its-middle-0042.fra.example.com"]
    alerts = [{"status": "critical", "host": host, "check": f"port {number}"} for number in range(30) for host in hosts]
    is_live(page)
    page.evaluate("""() => {
        window.heard = [];
        const announcer = document.getElementById("announcer");
        new MutationObserver(() => window.heard.push(announcer.textContent)).observe(announcer, { childList: true });
    }""")
    post(console, token, {"app_key": app_key, "alerts": alerts})
    expect(page.locator(".storm")).to_contain_text("60 new alerts in the last 5 minutes", timeout=60_000)
    eventually(lambda: "60 new alerts" in page.evaluate("window.heard.join()"), "the storm is announced")
    first, second = (row(page, host).bounding_box()["height"] for host in hosts)
    assert abs(first - second) <= 1  # a line between them
    post(console, token, {"app_key": app_key, "status": "critical", "host": "db-2"})
    expect(page.locator(".storm")).to_contain_text("61 new alerts", timeout=60_000)
    assert "61 new alerts" not in page.evaluate("window.heard.join()")


def test_rows_do_not_move_under_the_pointer_and_new_ones_wait(page: Any, say: Say) -> None:
    from playwright.sync_api import expect

    for number in range(3):
        say(f"warn-{number}", "warning")
    is_live(page)
    target = row(page, "warn-1")
    expect(target).to_be_visible()
    box = target.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 10)
    page.mouse.move(box["x"] + 210, box["y"] + 12)
    say("crit-1")  # belongs at the top
    say("warn-2", "ok")  # leaves
    expect(page.locator("#show-waiting")).to_have_text("1 new – show")
    assert target.bounding_box() == box
    expect(row(page, "crit-1")).to_have_count(0)
    page.locator("#show-waiting").click()
    expect(page.locator("#rows tbody tr[id]").first).to_contain_text("crit-1")


def test_rows_do_not_move_under_the_cursor_from_the_first_key_on(page: Any, say: Say) -> None:
    from playwright.sync_api import expect

    say("warn-9", "warning")
    is_live(page)
    expect(row(page, "warn-9")).to_be_visible()
    page.keyboard.press("j")
    say("crit-9")
    expect(page.locator("#show-waiting")).to_have_text("1 new – show")


def test_a_selection_keeps_the_rows_and_pause_says_how_many_wait(page: Any, say: Say) -> None:
    from playwright.sync_api import expect

    say("db-1")
    is_live(page)
    expect(row(page, "db-1")).to_be_visible()
    page.keyboard.press("p")
    say("db-2")
    expect(page.locator("#live-words")).to_have_text("Paused, 1 new")
    expect(row(page, "db-2")).to_have_count(0)
    page.keyboard.press("p")
    expect(row(page, "db-2")).to_be_visible()
    row(page, "db-1").get_by_role("checkbox").check()
    say("db-3")
    expect(page.locator("#show-waiting")).to_be_visible()
    expect(row(page, "db-3")).to_have_count(0)
    row(page, "db-1").get_by_role("checkbox").uncheck()
    page.mouse.move(5, 5)
    page.evaluate("document.activeElement.blur()")
    expect(row(page, "db-3")).to_be_visible()


def test_a_broken_connection_is_told_and_mends_by_itself(page: Any, console: RunningConsole, say: Say) -> None:
    from playwright.sync_api import expect

    say("db-1")
    is_live(page)
    web = console.process_of("uvicorn")
    assert web
    os.kill(web, signal.SIGSTOP)
    try:
        expect(page.locator("#live-words")).to_contain_text("Reconnecting, data", timeout=60_000)
    finally:
        with contextlib.suppress(ProcessLookupError):  # the supervisor has replaced it
            os.kill(web, signal.SIGCONT)
    say("db-2")
    expect(row(page, "db-2")).to_be_visible(timeout=30_000)
    is_live(page)


def test_many_tabs_share_one_stream(browser: Any, console: RunningConsole, page: Any, say: Say) -> None:
    from playwright.sync_api import expect

    others = [page.context.new_page() for _ in range(6)]
    for number, other in enumerate(others):
        other.goto("/" if number else "/?folder=unhandled")
    say("db-1")
    for each in [page, *others]:
        expect(row(each, "db-1")).to_be_visible(timeout=10_000)
        each.bring_to_front()
        is_live(each)


def test_the_width_of_a_pane_is_remembered(page: Any) -> None:
    from playwright.sync_api import expect

    separator = page.get_by_role("separator", name="Width of the environments")
    before = page.locator("#sidebar").bounding_box()["width"]
    separator.focus()
    with page.expect_response("**/panes"):
        for _ in range(3):
            page.keyboard.press("ArrowRight")
    page.reload()
    expect(page.locator("#sidebar")).to_be_visible()
    assert page.locator("#sidebar").bounding_box()["width"] == before + 48


def test_a_query_is_written_with_suggestions_by_the_keyboard(page: Any, say: Say) -> None:
    from playwright.sync_api import expect

    say("db-1", team="payments")
    say("web-1", team="shop")
    page.reload()
    box = page.get_by_role("combobox", name="Search by words or BPQL")
    page.keyboard.press("/")
    page.keyboard.type("tea")
    expect(page.get_by_role("option").first).to_contain_text("team")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("= pay")
    expect(page.get_by_role("option").first).to_contain_text("payments")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(box).to_have_value("team = payments ")
    page.keyboard.press("Enter")
    expect(row(page, "db-1")).to_be_visible()
    expect(row(page, "web-1")).to_have_count(0)
    box.fill("team = (")
    page.keyboard.press("Enter")
    expect(page.locator("#q-error")).to_be_visible()


def test_a_page_says_that_correlation_is_behind_and_stops_saying_it_by_itself(
    console: RunningConsole, page: Any, say: Say
) -> None:
    from playwright.sync_api import expect

    say("db-1")
    expect(row(page, "db-1")).to_be_visible()
    is_live(page)
    shell = ("shell", "--no-imports", "-c")
    # An alert of an App Key that does not exist stops every round of correlation.
    console.manage(
        *shell,
        "from datetime import timedelta; from alerts.models import Alert, Event; from django.db.models import F;"
        "Event.objects.update(received_at=F('received_at') - timedelta(hours=1));"
        "Alert.objects.update(correlated_revision=0, app_key=F('app_key') + 1000)",
    )
    bar = page.locator("#behind")
    expect(bar).to_contain_text("1 alert waits", timeout=30_000)
    expect(bar).to_contain_text("New alerts are stored and nothing is lost")
    expect(page.locator("#live-words")).to_have_text(re.compile(r"^Correlation is behind since \d\d:\d\d$"))
    console.manage(
        *shell,
        "from alerts.models import Alert; from django.db.models import F; Alert.objects.update(app_key=F('app_key') - 1000)",
    )
    expect(bar).to_be_empty(timeout=30_000)
    is_live(page)
