"""The main task in a real browser: name an integration, send its test alert, watch it arrive, resolve it, undo that."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running_console import RunningConsole, eventually

pytest.importorskip("playwright")
PICTURES = Path(__file__).parent / "pictures"


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


def sign_in(browser: Any, console: RunningConsole, name: str = "admin", password: str = "", **options: Any) -> Any:
    page = browser.new_context(
        base_url=console.url, **{"viewport": {"width": 1280, "height": 800}, **options}
    ).new_page()
    page.goto("/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password or console.password)
    page.keyboard.press("Enter")
    page.wait_for_url(console.url + "/")
    return page


def run(command: str) -> None:
    """Run a command of the page in a shell, as a person does."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def post(console: RunningConsole, token: str, body: dict[str, Any]) -> None:
    """Send alerts, and wait until the incidents that they belong to are there."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(console.url + "/data/v2/alerts", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert reply.status == 201
    console.wait_for_correlation()


def test_from_the_first_integration_to_a_resolved_incident_and_back(page: Any) -> None:
    from playwright.sync_api import expect

    # Nothing is there yet, and the page leads on.
    page.get_by_role("link", name="New integration").click()
    page.get_by_label("Find a tool").fill("alerts api")
    expect(page.locator(".gallery li:visible")).to_have_count(1)
    page.keyboard.press("Enter")
    page.get_by_label("Name").fill("Nagios Frankfurt")
    page.get_by_role("button", name="Create App Key").click()

    # The commands are ready to copy. The page turns by itself when the first one was run.
    status = page.locator("#status")
    expect(status).to_contain_text("Pending")
    critical, ok = page.locator("#command-critical").inner_text(), page.locator("#command-ok").inner_text()
    run(critical)
    expect(status).to_contain_text("Installed")
    page.get_by_role("link", name="See the incident").click()
    expect(page.get_by_role("heading", name="production-database-1")).to_be_visible()

    # Resolving says how many alerts still fire, asks for a comment, and can be undone.
    page.locator("#resolve").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 alert still fires")
    dialog.get_by_label("Comment").fill("Load test, known.")
    dialog.get_by_role("button", name="Resolve").click()
    incident = page.locator("#incident")
    expect(incident).to_contain_text("Resolved by you")
    page.locator("#undo").click()
    expect(page.locator("#resolve")).to_be_visible()
    expect(incident).not_to_contain_text("Resolved by you")

    # When the source says ok, it resolves by itself, on the page that is open.
    run(ok)
    expect(page.locator("#resolve")).to_have_count(0)
    page.locator("#tab-activity").click()
    expect(incident).to_contain_text("every alert is ok")
    expect(incident).to_contain_text("Load test, known.")

    # The secrets are gone with the page that showed them once.
    page.goto("/integrations/")
    page.get_by_role("link", name="Nagios Frankfurt").click()
    expect(page.locator("#command-critical")).to_contain_text("$TOKEN")


def test_a_new_incident_comes_to_the_open_feed_by_itself(page: Any, console: RunningConsole) -> None:
    from playwright.sync_api import expect

    token, app_key = console.manage("create_org_token", "t", "--all-app-keys"), console.manage("create_app_key", "k")
    page.goto("/")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    post(console, token, {"app_key": app_key, "status": "critical", "host": "web-1", "check": "HTTP 5xx"})
    row = page.get_by_role("row", name="web-1")
    expect(row).to_contain_text("Critical", timeout=2000)  # ms
    expect(page).to_have_title("(1) Critical · Incident console")
    post(console, token, {"app_key": app_key, "status": "ok", "host": "web-1", "check": "HTTP 5xx"})
    expect(row.or_(page.get_by_text("All clear"))).to_be_visible()


def test_links_are_buttons_and_everything_else_is_harmless_text(page: Any, console: RunningConsole) -> None:
    from playwright.sync_api import expect

    token, app_key = console.manage("create_org_token", "t", "--all-app-keys"), console.manage("create_app_key", "k")
    nasty = "<img src=x onerror=document.title='run'>"
    tags = {
        "runbook": "https://wiki.example/run?a=1&b=2",
        "evil": "javascript:alert(1)",
        "markup": nasty,
        "description": nasty,
    }
    post(
        console,
        token,
        {"app_key": app_key, "status": "critical", "host": nasty, "check": '"><script>alert(1)</script>', **tags},
    )
    page.get_by_role("link", name=nasty[:12]).first.click()
    link = page.get_by_role("link", name="runbook").first
    expect(link).to_have_attribute("href", "https://wiki.example/run?a=1&b=2")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    assert page.locator("a[href^='javascript']").count() == 0
    assert page.locator("img[src=x]").count() == 0
    assert "run" not in page.title().split()


def test_a_viewer_looks_and_cannot_act(browser: Any, console: RunningConsole) -> None:
    from playwright.sync_api import expect

    token, app_key = console.manage("create_org_token", "t", "--all-app-keys"), console.manage("create_app_key", "k")
    post(console, token, {"app_key": app_key, "status": "critical", "host": "web-1"})
    page = sign_in(
        browser, console, "vera", console.manage("create_user", "vera", "--role", "viewer", "--keep-password")
    )
    page.get_by_role("link", name="web-1").click()
    expect(page.get_by_role("heading", name="web-1")).to_be_visible()
    assert page.locator("#resolve").count() == 0
    page.goto("/integrations/")
    expect(page.get_by_text("Ask an administrator")).to_be_visible()
    page.context.close()


def test_the_feed_reads_with_scripts_off(browser: Any, console: RunningConsole) -> None:
    from playwright.sync_api import expect

    token, app_key = console.manage("create_org_token", "t", "--all-app-keys"), console.manage("create_app_key", "k")
    post(console, token, {"app_key": app_key, "status": "critical", "host": "web-1"})
    page = sign_in(browser, console, java_script_enabled=False)
    reload = page.get_by_role("link", name="Reload")
    eventually(lambda: reload.click() or page.get_by_role("link", name="web-1").count(), "the incident is in the feed")
    expect(page.locator("#live")).to_have_text(re.compile(r"As of \d\d:\d\d:\d\d\s+Reload"))
    expect(page.locator("#rows .col-age time")).to_have_text(re.compile(r"^\d\d:\d\d$"))
    page.get_by_role("link", name="web-1").click()
    page.locator("#resolve").click()
    page.get_by_role("button", name="Resolve").click()
    page.locator("#undo").click()
    expect(page.locator("#resolve")).to_be_visible()
    page.context.close()


def test_the_demo_fills_the_feed_for_the_pictures_of_the_readme(
    browser: Any, console: RunningConsole, tmp_path: Path
) -> None:
    """UPDATE_PICTURES=1 writes them where the README shows them."""
    from playwright.sync_api import expect

    console.manage("play_demo", "--url", console.url)
    folder = PICTURES if os.environ.get("UPDATE_PICTURES") else tmp_path
    for scheme in ("light", "dark"):
        page = sign_in(browser, console, color_scheme=scheme, viewport={"width": 1600, "height": 900})
        page.get_by_role("link", name="checkout-fra · HTTP 5xx rate").click()
        expect(page.get_by_role("heading", name="checkout-fra · HTTP 5xx rate")).to_be_visible()
        page.screenshot(path=folder / f"feed-{scheme}.png")
        page.context.close()
