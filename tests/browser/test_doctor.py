"""An administrator maps a tool's payload, watches its requests arrive, and sends a test alert, in a real browser."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.browser.test_main_job import page, post
from tests.running_console import RunningConsole

pytest.importorskip("playwright")
__all__ = ["page"]  # the fixture

SENT = {"device": {"name": "ups-1"}, "event": "On battery", "level": "severe"}


def send(console: RunningConsole, path: str, token: str, body: Any) -> int:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(console.url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_what_no_integration_knows_is_mapped_with_a_preview_that_follows_the_typing(
    page: Any, console: RunningConsole
) -> None:
    from playwright.sync_api import expect

    token, app_key = (
        console.manage("create_org_token", "Senders", "--all-app-keys"),
        console.manage("create_app_key", "UPS"),
    )
    wire = f"/oim/custom/alerts?app_key={app_key}"
    assert send(console, wire, token, SENT) == 400

    page.goto("/integrations/1")
    page.get_by_role("link", name="Mapping").click()
    mapped = page.locator("#preview")
    expect(mapped).to_contain_text("ups-1")
    expect(mapped.locator(".status")).to_have_text("Critical")
    page.get_by_label("Warning", exact=True).fill("severe")
    expect(mapped.locator(".status")).to_have_text("Warning")
    page.get_by_label("Primary property").fill("device.gone")
    expect(mapped).to_contain_text("is not in the sample payload")
    page.get_by_label("Primary property").fill("device.name")
    expect(mapped).to_contain_text("ups-1")
    page.get_by_role("button", name="Save and use").click()
    expect(page.get_by_text("Version 1 of the mapping counts from now on")).to_be_visible()

    assert send(console, wire, token, SENT) == 201
    page.get_by_role("link", name="Incidents").click()
    expect(page.get_by_role("link", name="ups-1")).to_be_visible()


def test_requests_are_watched_as_they_come_in_whichever_lane_they_take(page: Any, console: RunningConsole) -> None:
    from playwright.sync_api import expect

    token, app_key = (
        console.manage("create_org_token", "Senders", "--all-app-keys"),
        console.manage("create_app_key", "Nagios"),
    )
    for host in ("web-1", "web-2", "web-3"):  # by now the fast path knows both secrets
        post(console, token, {"app_key": app_key, "status": "critical", "host": host})

    page.goto("/integrations/1/doctor")
    page.get_by_role("link", name="Watch").click()
    tail = page.locator("#tail-lines")
    expect(tail).to_contain_text("Nothing came in yet")
    page.wait_for_timeout(1000)  # a web process takes half a second to hear that somebody watches
    post(console, token, {"app_key": app_key, "status": "critical", "host": "web-4", "password": "geheim"})
    expect(tail).to_contain_text("web-4")
    tail.locator("summary").click()
    expect(tail).to_contain_text("[REDACTED]")
    assert "geheim" not in page.content()
    tail.get_by_role("link", name="web-4").click()
    expect(page.get_by_role("heading", name="web-4")).to_be_visible()

    page.goto("/integrations/1/doctor")
    page.get_by_role("button", name="Send a test alert").click()
    expect(page.get_by_text("resolves by itself after a minute")).to_be_visible()
    page.get_by_role("link", name="Incidents").click()
    expect(page.get_by_text("Test alert")).to_be_visible()
