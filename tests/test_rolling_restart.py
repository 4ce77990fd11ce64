"""Two consoles on one database behind nginx, restarted one after the other while alerts are posted and a page is open."""

from __future__ import annotations

import http.client
import http.cookiejar
import itertools
import json
import re
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests import proxies
from tests.running_console import PATIENCE, RunningConsole, eventually
from tests.senders import stored

SENDERS = 6


class Load:
    """Senders that post alerts through the proxy, each on a connection that it keeps open."""

    def __init__(self, port: int, console: RunningConsole) -> None:
        self.port = port
        self.app_key = console.manage("create_app_key", "k")
        self.token = console.manage("create_org_token", "t", "--all-app-keys")
        self.answers: dict[str, int | str] = {}
        self.is_over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(SENDERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.is_over.set()
            for thread in threads:
                thread.join(PATIENCE)

    def wait_for_more(self, what: str) -> None:
        before = len(self.answers)
        eventually(lambda: len(self.answers) > before + 50, what)

    def _send(self, sender: int) -> None:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        proxy = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        for number in itertools.count():
            if self.is_over.is_set():
                proxy.close()
                return
            host = f"host-{sender}-{number}"
            body = {"app_key": self.app_key, "status": "critical", "host": host}
            try:
                proxy.request("POST", "/data/v2/alerts", json.dumps(body), headers)
                reply = proxy.getresponse()
                reply.read()
                self.answers[host] = reply.status
            except OSError as error:
                self.answers[host] = repr(error)
                proxy.close()
            self.is_over.wait(0.05)


def _read(reply: Any) -> str:
    with reply:
        text: str = reply.read().decode()
    return text


class OpenPage:
    """The live stream of a signed-in browser, read through the proxy until it ends."""

    def __init__(self, port: int, password: str) -> None:
        address = f"http://127.0.0.1:{port}"
        cookies = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
        form = _read(browser.open(f"{address}/login", timeout=PATIENCE))
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token
        sent = {"csrfmiddlewaretoken": token[1], "username": "admin", "password": password}
        _read(browser.open(f"{address}/login", urllib.parse.urlencode(sent).encode(), timeout=PATIENCE))
        self._stream: Any = browser.open(f"{address}/live?all=1", timeout=PATIENCE)
        self.first = self._stream.readline().decode()
        self.rest = ""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream:
            self.rest = self._stream.read().decode()

    def has_ended(self) -> bool:
        return not self._thread.is_alive()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a file belongs to one console")
def test_a_restart_of_one_console_after_the_other_loses_no_request_and_leads_streams_on(
    tmp_path: Path, own_database: dict[str, str]
) -> None:
    first, second = (RunningConsole.prepared(tmp_path / name, own_database) for name in ("first", "second"))
    with first, second, proxies.nginx(tmp_path / "nginx", first.port, second.port) as port:
        load, page = Load(port, first), OpenPage(port, first.password)
        assert page.first.startswith("retry: ")
        with load.running():
            for console in (first, second):
                load.wait_for_more("alerts were sent before the stop")
                assert console.stop() == 0
                load.wait_for_more("the other console takes the alerts")
                console.start()
        eventually(page.has_ended, "the stream ended with its console")
        assert page.rest.rstrip().splitlines()[-1].startswith("retry: "), "its browser reconnects soon"
        assert {host: answer for host, answer in load.answers.items() if answer != 201} == {}
        assert sorted(host for host, *_ in stored(first)) == sorted(load.answers)
