"""A console on a PostgreSQL that freezes, goes away, or is reached through pgbouncer in transaction mode."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

import psycopg
import pytest

from supervisor.processes import free_port, start
from tests import postgres
from tests.running_console import RunningConsole, eventually
from tests.senders import Sender, assert_kept

# The console promises an answer within 20 s. The rest is for a machine that does a lot besides.
WITHIN = 40
POOLER = """
[databases]
* = host=127.0.0.1 port={server} user=console password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
unix_socket_dir =
logfile = {folder}/pgbouncer.log
"""
pytestmark = pytest.mark.any_database


@dataclass
class Answer:
    status: int
    headers: Any
    text: str
    seconds: float


def ask(request: urllib.request.Request | str) -> Answer:
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=90) as reply:
            return Answer(reply.status, reply.headers, reply.read().decode(), time.monotonic() - began)
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read().decode(), time.monotonic() - began)


def read(reply: Any) -> str:
    with reply:
        text: str = reply.read().decode()
    return text


def alert(sender: Sender, host: str) -> urllib.request.Request:
    body = f'{{"app_key": "{sender.app_key}", "status": "critical", "host": "{host}"}}'.encode()
    headers = {"Authorization": f"Bearer {sender.token}", "Content-Type": "application/json"}
    return urllib.request.Request(f"{sender.console.url}/data/v2/alerts", body, headers)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a folder that another user may enter, as the folders of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="console-outage-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Path]]:
    """Yield the URL of a PostgreSQL server of its own, and its folder."""
    try:
        with open_folder() as folder, postgres.running(kept=folder) as url:
            yield url, folder
    except postgres.Missing as reason:
        (pytest.fail if os.environ.get("REQUIRE_ALL") else pytest.skip)(str(reason))


@contextlib.contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """Stop all processes of the server: it accepts connections and answers nothing."""
    first = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    numbers = [first, *(number for number, parent in pairs if parent == first)]
    for number in numbers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGCONT)


def test_a_server_that_freezes_is_told_in_time_and_everything_works_when_it_is_back(
    server: tuple[str, Path], tmp_path: Path
) -> None:
    url, folder = server
    with RunningConsole.prepared(tmp_path, {"DATABASE_URL": url}) as console:
        sender = Sender(console)
        assert {ask(alert(sender, f"before-{number}")).status for number in range(3)} == {201}
        with frozen(folder):
            refused, page = ask(alert(sender, "meanwhile")), ask(f"{console.url}/welcome/unknown")
        for answer in (refused, page):
            assert answer.status == 503
            assert answer.headers["Retry-After"]
            assert answer.seconds < WITHIN
        assert refused.headers["Content-Type"] == "application/json"
        assert "The database does not answer" in refused.text
        assert "<h1>The database does not answer" in page.text
        eventually(lambda: ask(alert(sender, "meanwhile")).status in (201, 204), "a sender got through again")
        eventually(lambda: ask(f"{console.url}/welcome/unknown").status != 503, "pages were back")
        assert_kept(console, ["before-0", "before-1", "before-2", "meanwhile"])


@contextlib.contextmanager
def pooler(url: str) -> Iterator[str]:
    """Run pgbouncer in transaction mode in front of a server, and yield the URL that goes through it."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        (pytest.fail if os.environ.get("REQUIRE_ALL") else pytest.skip)(
            "not on this machine: pgbouncer (Debian: apt install pgbouncer)"
        )
    assert program
    parts, port = urlsplit(url), free_port()
    with open_folder() as folder:
        config = folder / "pgbouncer.ini"
        config.write_text(POOLER.format(server=parts.port, password=parts.password, port=port, folder=folder))
        options: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:  # pgbouncer refuses to run as root
            nobody = pwd.getpwnam("nobody")
            options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for path in (folder, config):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        quiet = subprocess.DEVNULL
        with start([program, "-q", str(config)], stdout=quiet, stderr=quiet, **options) as process:
            try:
                yield _reached(parts, port, process, folder)
            finally:
                process.terminate()


def _reached(parts: SplitResult, port: int, process: subprocess.Popen[bytes], folder: Path) -> str:
    through = parts._replace(netloc=f"console:any@127.0.0.1:{port}").geturl()

    def accepts() -> bool:
        assert process.poll() is None, (folder / "pgbouncer.log").read_text()
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(through) as link:
            return link.execute("SELECT 1").fetchone() == (1,)
        return False

    eventually(accepts, "pgbouncer accepted connections")
    return through


def test_through_a_pooler_in_transaction_mode_senders_pages_and_correlation_work(
    server: tuple[str, Path], tmp_path: Path
) -> None:
    url, _ = server
    with psycopg.connect(url, autocommit=True) as link:
        link.execute("CREATE DATABASE pooled")
    own = urlsplit(url)._replace(path="/pooled").geturl()
    hosts = [f"host-{number}" for number in range(120)]
    with (
        pooler(own) as through,
        RunningConsole.prepared(tmp_path / "console", {"DATABASE_URL": through}) as console,
    ):
        sender = Sender(console)
        plain, repaired = hosts[:80], hosts[80:]  # a repair is for the standard path
        answers = sender.send_all(plain, meanwhile=lambda: None)
        answers |= {host: sender.send(host, nested={"a": 1}) for host in repaired}
        assert {host: status for host, status in answers.items() if status != 201} == {}
        assert_kept(console, hosts)
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        form = read(browser.open(f"{console.url}/login", timeout=60))
        token = form.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        sent = {"csrfmiddlewaretoken": token, "username": "admin", "password": console.password}
        feed = read(browser.open(f"{console.url}/login", urlencode(sent).encode(), timeout=60))
        assert "host-" in feed
        for path in ("/?q=host-17", "/audit.csv", "/patterns", "/integrations"):
            assert read(browser.open(console.url + path, timeout=60)), path
        log = (console.data / "logs" / "web.log").read_text()
        assert "the standard path answers" not in log, log[-2000:]
