"""A whole console for one test: the supervisor and its children, as `./console up` starts them, on data of its own."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from functools import cache
from http.cookiejar import CookieJar
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import psycopg

from supervisor.processes import free_port

CODE = Path(__file__).resolve().parent.parent
Answer = TypeVar("Answer")
OWN_PASSWORD = "an administrator of tests"
FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
PATIENCE = 120.0  # seconds; only a broken test waits that long, on a machine that does a lot besides


def eventually(ask: Callable[[], Answer], what: str) -> Answer:
    """Repeat the question until its answer is true, and return the answer."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s in vain until {what}"
        time.sleep(0.02)
    return answer


def own_environment(data: Path, **settings: str) -> dict[str, str]:
    """Return an environment without the database and broker of the test run, because this console brings its own."""
    strange = ("CONSOLE_", "DATABASE_URL", "REDIS_URL", "PYTHONWARNINGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    return {**kept, "CONSOLE_SEARCH_SECONDS": "60", "CONSOLE_DATA": str(data), **settings}


class RunningConsole:
    """A console for `with RunningConsole(tmp_path) as console:`. It answers at console.url when the block begins."""

    def __init__(self, data: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = own_environment(data, **(settings or {}))
        self.arguments = ["--port", str(self.port), *arguments]
        self.output: list[str] = []
        self.password = ""

    @classmethod
    def prepared(cls, data: Path, settings: Mapping[str, str] | None = None) -> Self:
        """Return a console whose first start on SQLite is over. A first start takes ten times as long as the next one, so most tests share one."""
        first, password = _first_start()
        shutil.copytree(first, data, dirs_exist_ok=True)
        console = cls(data, settings=settings)
        console.password = password
        return console

    def start(self) -> Self:
        """Start the console in a process group of its own, like a job of a shell."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisor", *self.arguments],
            cwd=CODE,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )
        lines: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self.reader.start()
        for line in iter(lambda: lines.get(timeout=PATIENCE), ""):
            if "Password: " in line:
                self.password = line.split("Password: ")[1].split()[0]
            if line.startswith("Ready"):
                if self.password and self.password != OWN_PASSWORD:
                    self._choose_own_password()
                return self
        raise AssertionError("the console did not become ready:\n" + "".join(self.output))

    def _choose_own_password(self) -> None:
        """Sign in as the first administrator and change the printed password, without which nothing works."""
        cookies = CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))

        def send(path: str, **fields: str) -> str:
            token = FORM_TOKEN.findall(browser.open(self.url + path, timeout=PATIENCE).read().decode())[0]
            body = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
            with browser.open(self.url + path, body, timeout=PATIENCE) as reply:
                return str(reply.url)

        send("/login", username="admin", password=self.password)
        new = {"new_password1": OWN_PASSWORD, "new_password2": OWN_PASSWORD}
        assert not send("/me/password", old_password=self.password, **new).endswith("/password")
        self.password = OWN_PASSWORD

    def _read(self, lines: queue.Queue[str]) -> None:
        assert self.process.stdout
        with self.process.stdout as output:
            for line in output:
                self.output.append(line)
                lines.put(line)
        lines.put("")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()
        self.reader.join(PATIENCE)

    def manage(self, *arguments: str) -> str:
        """Return the output of `./console manage …`."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=CODE, env=self.environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def wait_for_correlation(self) -> None:
        """Wait until every stored alert is in an incident. A page that is opened after that shows it."""
        eventually(lambda: not self._is_behind(), "every alert is correlated")

    def _is_behind(self) -> bool:
        behind = "SELECT count(*) FROM alerts_alert WHERE revision > correlated_revision"
        if url := self.environment.get("DATABASE_URL"):
            with psycopg.connect(url) as server:
                return server.execute(behind).fetchone() != (0,)
        with contextlib.closing(sqlite3.connect(self.data / "console.sqlite3", timeout=20)) as file:
            return bool(file.execute(behind).fetchone()[0])

    def status(self, path: str = "/") -> int:
        try:
            with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def processes(self) -> dict[int, str]:
        """Return number and command line of the supervisor's children."""
        listed = subprocess.run(
            ["ps", "-ww", "-eo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
        ).stdout
        found = {}
        for line in listed.splitlines():
            number, parent, state, command = line.split(None, 3)
            if int(parent) == self.process.pid and not state.startswith("Z"):
                found[int(number)] = command
        return found

    def process_of(self, word: str) -> int | None:
        """Return the child whose command line contains the word."""
        return next((number for number, command in self.processes().items() if word in command), None)


@cache
def _first_start() -> tuple[Path, str]:
    """Return a data folder after the first start, and the administrator's password."""
    folder = Path(tempfile.mkdtemp(prefix="console-first-start-"))
    atexit.register(shutil.rmtree, folder)
    with RunningConsole(folder) as console:
        return folder, console.password


def gone(number: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(number)], capture_output=True, text=True).stdout.strip()
    return not state or state.startswith("Z")
