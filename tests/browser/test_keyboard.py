"""The whole triage without a mouse (docs/how-it-works.md §11.3): from the first App Key to a resolve that is undone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import PATIENCE
from tests.browser.test_main_job import post, sign_in
from tests.running_console import RunningConsole

pytest.importorskip("playwright")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    with RunningConsole.prepared(tmp_path_factory.mktemp("keys")) as console:
        yield console


@pytest.fixture
def page(browser: Any, console: RunningConsole) -> Iterator[Any]:
    page = sign_in(browser, console)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def send(console: RunningConsole) -> Callable[..., None]:
    """Send a critical alert of a host."""
    token, app_key = (
        console.manage("create_org_token", "Keys", "--all-app-keys"),
        console.manage("create_app_key", "Keys"),
    )
    return lambda host, **more: post(console, token, {"app_key": app_key, "status": "critical", "host": host, **more})


def tab_to(page: Any, words: str) -> None:
    """Press Tab until the focus is on the element with these words."""
    said = "(document.activeElement.labels?.[0] || document.activeElement).textContent.trim()"
    for _ in range(80):
        page.keyboard.press("Tab")
        if words in page.evaluate(said):
            return
    raise AssertionError(f"Tab does not lead to “{words}”")


def test_from_a_new_key_to_a_resolve_and_back_without_a_mouse(page: Any, send: Callable[..., None]) -> None:
    from playwright.sync_api import expect

    keys = page.keyboard

    # An integration, by the keys that go there.
    keys.type("gk")
    page.wait_for_url("**/integrations/")
    tab_to(page, "New integration")
    keys.press("Enter")
    page.wait_for_url("**/integrations/new")
    tab_to(page, "Nagios")
    keys.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    keys.type("Nagios Frankfurt")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Nagios Frankfurt").first).to_be_visible()

    # Two alerts arrive. The first incident is opened, acknowledged and snoozed, and its snooze is ended.
    for host in ("web-1", "web-2"):
        send(host)
    keys.type("gi")
    expect(page.get_by_role("row", name="web-1")).to_be_visible()
    expect(page.get_by_role("row", name="web-2")).to_be_visible()
    keys.press("j")
    keys.press("Enter")
    incident = page.locator("#incident")
    title = page.locator("#incident-title")
    expect(title).to_have_text("web-2")
    keys.press("a")
    expect(incident).to_contain_text("Acknowledged by")
    keys.press("s")
    dialog = page.locator("#dialog[open]")
    expect(dialog).to_contain_text("Snooze")
    tab_to(page, "Snooze")
    keys.press("Enter")
    expect(incident).to_contain_text("Snoozed by")
    expect(dialog).to_have_count(0)
    keys.press("s")
    expect(incident).not_to_contain_text("Snoozed by")

    # A comment, the tabs by their keys, the next incident and back.
    keys.press("c")
    expect(page.locator("#comment")).to_be_focused()
    keys.type("Looking into it, e and j are letters here")
    tab_to(page, "Comment")
    keys.press("Enter")
    expect(incident).to_contain_text("Looking into it")
    keys.press("t")
    page.wait_for_url("**/timeline*")
    expect(page.locator("#plot")).to_be_visible()
    keys.press("w")
    page.wait_for_url("**/why*")
    keys.press("]")
    expect(title).to_have_text("web-1")
    keys.press("[")
    expect(title).to_have_text("web-2")

    # The incident is resolved with a comment, and the resolve is undone.
    keys.press("e")
    expect(dialog).to_contain_text("1 alert still fires")
    tab_to(page, "Resolve")
    keys.press("Enter")
    expect(incident).to_contain_text("Resolved by you")
    expect(dialog).to_have_count(0)
    keys.press("z")
    expect(incident).not_to_contain_text("Resolved by you")
    expect(page.locator("#resolve")).to_be_visible()

    # The incident is closed, and the cursor is where it was.
    keys.press("Escape")
    expect(page.locator("#incident")).to_have_count(0)


def test_the_key_sheet_and_the_command_box(page: Any) -> None:
    from playwright.sync_api import expect

    keys = page.keyboard
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Acknowledge")
    keys.press("Escape")
    keys.press("Control+k")
    box = page.get_by_role("combobox", name="Do, or go to")
    expect(box).to_be_focused()
    keys.type("pause")
    expect(page.locator("#commands").get_by_role("option").first).to_have_text("Pause or resume live updatesDop")
    box.fill("")
    keys.type("your")
    expect(page.locator("#commands").get_by_role("option").first).to_contain_text("Your page")
    box.fill("")
    keys.type("integr")
    expect(page.locator("#commands").get_by_role("option").first).to_contain_text("Integrations")
    keys.press("Enter")
    page.wait_for_url("**/integrations/")


def test_an_action_is_for_the_row_under_the_cursor(page: Any, send: Callable[..., None]) -> None:
    from playwright.sync_api import expect

    for host in ("app-1", "app-2"):
        send(host)
    page.goto("/")
    expect(page.get_by_role("row", name="app-1")).to_be_visible()
    expect(page.get_by_role("row", name="app-2")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator("#rows [name=incident]:checked")).to_have_count(2)
    page.keyboard.press("e")
    expect(page.locator("#dialog[open]")).to_contain_text("2 incidents")
    page.keyboard.press("Escape")


def test_an_action_that_was_thought_better_of_leaves_no_row_chosen_for_the_next(
    page: Any, send: Callable[..., None]
) -> None:
    from playwright.sync_api import expect

    for host in ("app-5", "app-6"):
        send(host)
    page.goto("/?q=host+IN+%5Bapp-5%2C+app-6%5D")
    for host, key in (("app-5", "s"), ("app-6", "e")):
        page.get_by_role("row", name=host).locator(".row-link").focus()
        page.keyboard.press(key)
        expect(page.locator("#dialog[open]")).to_contain_text(host)
        page.keyboard.press("Escape")
        expect(page.locator("#rows [name=incident]:checked")).to_have_count(0)


def test_the_list_is_worked_off_row_by_row_and_the_cursor_stays(page: Any, send: Callable[..., None]) -> None:
    from playwright.sync_api import expect

    hosts = [f"shelf-{place}-of-the-storage-array-in-the-second-room-{place}" for place in range(5)]
    for host in reversed(hosts):
        send(host)
        page.wait_for_timeout(1)
    page.goto("/?q=shelf")
    expect(page.locator("#rows .row-link")).to_have_count(5)
    second, third = (page.locator(f".row-link[title='{host}']") for host in hosts[1:3])
    keys, dialog, gone = page.keyboard, page.locator("#dialog[open]"), page.locator(".row-gone")
    width = third.bounding_box()["width"]

    # A text that is cut off is shown in full on hover.
    keys.press("j")
    keys.press("j")
    expect(second).to_be_focused()
    expect(page.locator(".in-full")).to_contain_text(hosts[1])

    # Resolved from the list: the question names the incident, the page stays, and the next key acts on the row below.
    keys.press("e")
    expect(dialog).to_contain_text(hosts[1])
    keys.type("Replaced")
    keys.press("Control+Enter")
    expect(gone).to_contain_text(hosts[1])
    expect(dialog).to_have_count(0)
    assert third.bounding_box()["width"] == width  # a row that left moves no column
    keys.press("j")
    expect(third).to_be_focused()
    keys.press("z")
    expect(second).to_be_visible()

    # Resolved from the pane, and on to the next incident. After a comment, keys are commands again.
    keys.press("j")
    keys.press("Enter")
    title = page.locator("#incident-title")
    expect(title).to_have_text(hosts[3])
    keys.press("e")
    expect(dialog).to_be_visible()
    keys.press("Control+Enter")
    expect(page.locator("#incident")).to_contain_text("Resolved by you")
    expect(dialog).to_have_count(0)
    keys.press("]")
    expect(title).to_have_text(hosts[4])
    keys.press("c")
    keys.type("Looking")
    keys.press("Control+Enter")
    expect(page.locator("#incident")).to_contain_text("Looking")
    keys.press("t")
    page.wait_for_url("**/timeline*")
    keys.press("Escape")
    expect(title).to_have_count(0)
    keys.press("k")
    expect(third).to_be_focused()


def test_who_is_quicker_than_the_page_answers_a_question_in_place_too(page: Any, send: Callable[..., None]) -> None:
    from playwright.sync_api import expect

    send("quick-1")
    page.goto("/?q=quick")
    expect(page.locator("#rows .row-link")).to_have_count(1)
    page.keyboard.press("j")
    answer = "() => document.querySelector('#dialog form').requestSubmit()"
    page.evaluate(f"addEventListener('htmx:afterSwap', () => setTimeout({answer}), {{ once: true }})")
    page.keyboard.press("e")
    expect(page.locator(".row-gone")).to_contain_text("quick-1")


def test_a_page_without_a_stream_says_of_a_row_why_it_left(page: Any, send: Callable[..., None]) -> None:
    from playwright.sync_api import expect

    send("asking-1")
    page.route("**/live?*", lambda route: route.abort())
    page.goto("/?q=asking")
    expect(page.locator("#rows .row-link")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(page.locator("#dialog[open]")).to_contain_text("asking-1")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".row-gone")).to_contain_text("asking-1")
    page.keyboard.press("z")
    expect(page.get_by_role("link", name="asking-1")).to_be_visible()


class Held:
    """Answers of the server that reach the page only when the test lets them go.

    The first answer of a page is held before the page opens. A request that a page sends just after the browser starts
    to hold requests may otherwise pass.
    """

    def __init__(self, page: Any, path: str) -> None:
        self.page = page
        self.answers: list[Any] = []
        page.route(path, lambda route: self.answers.append((route, route.fetch())))

    def let_go(self) -> None:
        for _ in range(0, PATIENCE, 20):
            if self.answers:
                break
            self.page.wait_for_timeout(20)
        assert self.answers, "the page did not ask"
        ((route, answer),) = self.answers
        self.answers.clear()
        route.fulfill(response=answer)


@pytest.fixture
def acknowledged(page: Any, send: Callable[..., None]) -> Held:
    """Open the first of two rows and acknowledge it: the stream has reported the change, and the answer is still on its way."""
    from playwright.sync_api import expect

    late = f"late-{time.monotonic_ns()}"  # another incident may be acknowledged already
    for host in (f"{late}-1", f"{late}-2"):
        send(host)
    held = Held(page, "**/acknowledge")
    page.goto(f"/?q={late}")
    expect(page.locator("#rows .row-link")).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#comment")).to_be_visible()
    page.keyboard.press("a")
    expect(page.locator("#incident")).to_contain_text("Acknowledged by")
    return held


def test_who_has_gone_on_is_not_brought_back_by_an_answer_that_comes_late(page: Any, acknowledged: Held) -> None:
    from playwright.sync_api import expect

    title = page.locator("#incident-title")
    first = title.inner_text()
    page.keyboard.press("]")
    expect(title).not_to_have_text(first)
    expect(page.locator("#rows .row-link[aria-current=true]")).to_be_focused()
    acknowledged.let_go()
    expect(page.locator("#toasts .toast")).to_contain_text("Undo")
    expect(title).not_to_have_text(first)


def test_what_is_being_written_outlives_an_answer_that_comes_meanwhile_and_another_tab(
    page: Any, acknowledged: Held
) -> None:
    from playwright.sync_api import expect

    keys, box = page.keyboard, page.locator("#comment")
    keys.press("c")
    keys.type("Looking")
    acknowledged.let_go()
    expect(page.locator("#toasts .toast")).to_contain_text("Undo")
    expect(box).to_be_focused()
    keys.type(" into it")
    page.locator("#tab-alerts").click()
    page.wait_for_url("**/alerts*")
    expect(box).to_have_value("Looking into it")
    page.get_by_role("button", name="Comment").click()
    expect(page.locator("#incident")).to_contain_text("Looking into it")
    expect(box).to_have_value("")
    box.fill("About this one")
    page.locator("#rows .row-link:not([aria-current])").click()
    expect(box).to_have_value("")


@pytest.mark.parametrize("first", ["comment", "tab"])
def test_what_was_sent_is_no_longer_being_written_whichever_answer_comes_first(
    page: Any, acknowledged: Held, first: str
) -> None:
    from playwright.sync_api import expect

    box = page.locator("#comment")
    comment, tab = Held(page, "**/comment"), Held(page, "**/incidents/*/activity*")
    box.fill(f"Sent before the {first}")
    box.press("Control+Enter")
    page.locator("#tab-activity").click()
    for held in (comment, tab) if first == "comment" else (tab, comment):
        held.let_go()
        page.wait_for_timeout(200)
    expect(page.locator("#incident")).to_contain_text(f"Sent before the {first}")
    expect(box).to_have_value("")


def test_one_key_shows_all_times_in_utc_and_back(
    browser: Any, console: RunningConsole, send: Callable[..., None]
) -> None:
    from playwright.sync_api import expect

    send("clock-1", timestamp=1_790_000_000)
    page = sign_in(browser, console, timezone_id="Asia/Kolkata")
    page.get_by_role("link", name="clock-1").click()
    since = page.locator(".facts time").first
    expect(since).to_contain_text("2026-09-21 19:43:20 +05:30")
    page.keyboard.press("Shift+U")
    expect(since).to_contain_text("2026-09-21 14:13:20 +00:00")
    page.keyboard.press("Shift+U")
    expect(since).to_contain_text("+05:30")
    page.context.close()


def test_keys_are_off_for_who_turned_them_off(page: Any) -> None:
    from playwright.sync_api import expect

    page.goto("/me")
    for is_on in (False, True):
        page.get_by_label("Keyboard shortcuts").set_checked(is_on)
        page.get_by_role("button", name="Keep").click()
        expect(page.locator("#show-keys")).to_have_count(int(is_on))
        page.wait_for_load_state()  # a script handles the keys
        page.keyboard.press("?")
        expect(page.locator("dialog[open]")).to_have_count(int(is_on))


def test_alerts_are_found_chosen_and_split_off_by_keys_alone(page: Any, send: Callable[..., None]) -> None:
    from playwright.sync_api import expect

    for number in range(4):
        send("san-1", check=f"Volume {number}", rack=f"r{number % 2}")
    page.goto("/")
    keys = page.keyboard
    page.get_by_role("link", name="san-1").first.press("Enter")
    page.locator("#tab-alerts").press("Enter")
    expect(page.locator(".alerts tbody tr")).to_have_count(4)
    tab_to(page, "Filter the alerts")
    keys.type("rack = ")
    expect(page.locator("#alert-q-suggestions")).to_contain_text("r1")
    keys.type("r1")
    keys.press("Escape")
    keys.press("Enter")
    expect(page.locator(".alerts tbody tr")).to_have_count(2)
    page.locator(".alerts .alert-link").first.focus()
    keys.press("x")
    expect(page.locator("#split-chosen .bulk-count")).to_have_text("1 selected")
    keys.press("Shift+ArrowDown")
    expect(page.locator("#split-chosen .bulk-count")).to_have_text("2 selected")
    tab_to(page, "Split or move")
    keys.press("Enter")
    expect(page.locator("#dialog .pick-row input:checked")).to_have_count(2)
    page.locator("#dialog").get_by_role("button", name="Take out").press("Enter")
    expect(page.get_by_text("Split 2 alerts off.")).to_be_visible()


def test_a_tags_value_is_copied_by_its_button(page: Any, send: Callable[..., None]) -> None:
    from playwright.sync_api import expect

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    send("copy-me.example.com", check="Disk")
    page.goto("/")
    page.get_by_role("link", name="copy-me.example.com").first.press("Enter")
    page.locator("#tab-detail").wait_for()
    page.get_by_role("button", name="Copy host", exact=True).press("Enter")
    expect(page.locator("#announcer")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "copy-me.example.com"


def test_the_name_of_a_row_and_of_the_open_incident_is_copied_by_one_key(page: Any, send: Callable[..., None]) -> None:
    from playwright.sync_api import expect

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    name = "a-rather-long-name-of-a-machine-that-is-cut-in-its-middle-0042.fra.example.com"
    send(name, check="Disk")
    page.goto("/")
    page.locator(f".row-link[title='{name}']").focus()
    page.keyboard.press("y")
    expect(page.locator("#announcer")).to_have_text("The name is copied")
    assert page.evaluate("navigator.clipboard.readText()") == name
