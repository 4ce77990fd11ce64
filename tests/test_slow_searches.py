"""Tests that slow searches of one person do not hold up the pages and live views of others."""

from __future__ import annotations

import http.cookiejar
import json
import random
import re
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.running_console import PATIENCE, RunningConsole, eventually

pytestmark = pytest.mark.any_database
SLOW = "/(a|b)*a(a|b){%d}c/"  # minutes without a limit
STOPPED = "This search took longer than 1 s and was stopped."
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


class Browser:
    """A signed-in browser."""

    def __init__(self, console: RunningConsole) -> None:
        self.console = console
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        token = TOKEN.findall(self.get("/login"))[0]
        fields = {"csrfmiddlewaretoken": token, "username": "admin", "password": console.password}
        with self.opener.open(f"{console.url}/login", urllib.parse.urlencode(fields).encode(), PATIENCE):
            pass

    def get(self, path: str) -> str:
        with self.opener.open(self.console.url + path, timeout=PATIENCE) as reply:
            return str(reply.read().decode())

    def search(self, number: int) -> str:
        return self.get("/?" + urllib.parse.urlencode({"q": SLOW % number}))

    def watch(self, *queries: str) -> list[str]:
        """Return the lines of a live stream, which are added as they come."""
        lines: list[str] = []
        views = urllib.parse.urlencode([("view", query) for query in queries])

        def read() -> None:
            with self.opener.open(f"{self.console.url}/live?{views}", timeout=PATIENCE) as stream:
                for line in stream:
                    lines.append(line.decode())  # noqa: PERF401 - the test sees them as they come

        threading.Thread(target=read, daemon=True).start()
        return lines


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    with RunningConsole.prepared(tmp_path_factory.mktemp("console"), {"CONSOLE_SEARCH_SECONDS": "1"}) as console:
        draw = random.Random(1)
        tags = {f"t{number}": "".join(draw.choices("ab", k=200)) for number in range(1000)}
        app_key = console.manage("create_app_key", "k")
        console.secrets = console.manage("create_org_token", "t", "--app-key", "k"), app_key  # type: ignore[attr-defined]
        post(console, host="large-1", **tags)
        console.wait_for_correlation()
        yield console


def post(console: Any, **alert: str) -> None:
    token, app_key = console.secrets
    body = json.dumps({"app_key": app_key, "status": "critical", **alert}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    urllib.request.urlopen(
        urllib.request.Request(f"{console.url}/data/v2/alerts", body, headers), timeout=PATIENCE
    ).close()


def test_a_page_does_not_wait_for_the_slow_searches_of_somebody_else(console: RunningConsole) -> None:
    busy, other = Browser(console), Browser(console)
    with ThreadPoolExecutor(12) as threads:
        searches = [threads.submit(busy.search, number) for number in range(40, 52)]
        assert "large-1" in other.get("/")  # within PATIENCE, while one such search takes minutes without a limit
        assert all(STOPPED in each.result() for each in searches)


def test_a_live_view_does_not_wait_for_slow_searches_and_these_say_that_they_were_stopped(
    console: RunningConsole,
) -> None:
    busy, other = Browser(console), Browser(console)
    searches = busy.watch(*(urllib.parse.urlencode({"q": SLOW % number}) for number in range(30, 40)))
    feed = other.watch("")
    eventually(lambda: any("large-1" in line for line in feed), "the feed is live")
    post(console, host="news-1")
    eventually(lambda: any("news-1" in line for line in feed), "the feed tells of a new incident")
    eventually(lambda: sum(STOPPED in line for line in searches) >= 10, "each search says that it was stopped")
