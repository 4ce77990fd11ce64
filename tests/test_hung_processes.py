"""Processes that hang: a frozen worker with the correlation lock, and a frozen web process (docs/how-it-works.md §4.1)."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench.viewing import Person
from incidents.correlation_lock import LOCK_KEY
from tests.running_console import RunningConsole, eventually, gone
from tests.senders import Sender, assert_kept, post

BATCH = 50
HELD = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted"
WORKER = "--queues correlation "


@contextlib.contextmanager
def load(console: RunningConsole, sender: Sender) -> Iterator[list[str]]:
    """Send batches of alerts, each of a host of its own, until the end of the block. Yield the hosts that were taken."""
    taken: list[str] = []
    is_over = threading.Event()

    def send() -> None:
        for number in itertools.count():
            hosts = [f"host-{number}-{place}" for place in range(BATCH)]
            alerts = [{"status": "critical", "host": host} for host in hosts]
            while post(console, sender.token, {"app_key": sender.app_key, "alerts": alerts}) not in (201, 204):
                time.sleep(0.2)  # a sender repeats what was not taken
            taken.extend(hosts)
            if is_over.wait(0.2):
                return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield taken
    finally:
        is_over.set()
        thread.join()


def is_held(console: RunningConsole, seconds: float = 0.0) -> bool:
    """Return whether somebody holds the correlation lock, on SQLite for so long at least."""
    if url := console.environment.get("DATABASE_URL"):
        with psycopg.connect(url) as database:
            return database.execute(HELD, [LOCK_KEY]).fetchone() is not None
    with contextlib.closing(sqlite3.connect(console.data / "console.sqlite3", seconds, isolation_level=None)) as file:
        try:
            file.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        file.execute("ROLLBACK")
        return False


def freeze_with_lock(console: RunningConsole) -> int:
    """Freeze the worker at a moment at which it holds the correlation lock. Return its process number."""
    worker = eventually(lambda: console.process_of(WORKER), "the worker runs") or 0

    def caught() -> bool:
        if not is_held(console):
            return False
        os.kill(worker, signal.SIGSTOP)
        if is_held(console, 1.0):
            return True
        os.kill(worker, signal.SIGCONT)
        return False

    eventually(caught, "the worker was frozen with the lock")
    return worker


def test_a_frozen_worker_delays_neither_pages_nor_ingest_and_correlation_goes_on_without_it(
    tmp_path: Path, own_database: dict[str, str]
) -> None:
    with RunningConsole.prepared(tmp_path, {**own_database, "CONSOLE_HUNG_SECONDS": "6"}) as console:
        sender, person = Sender(console), Person(console)
        with load(console, sender) as taken:
            eventually(lambda: "host-0-" in person.get("/"), "correlation works")
            worker = freeze_with_lock(console)
            assert person.status("/") == 200
            assert person.status("/login") in (200, 302)
            if own_database:
                assert sender.send("meanwhile") == 201
                taken.append("meanwhile")
                person.post("/login", username="admin", password=console.password)
                # PostgreSQL ends the transaction before the supervisor ends the worker, which then goes on.
                eventually(lambda: not is_held(console), "the lock was taken from the worker")
                os.kill(worker, signal.SIGCONT)
            else:
                eventually(lambda: gone(worker), "the worker was replaced")
        assert_kept(console, taken)


def test_a_frozen_web_process_is_replaced(tmp_path: Path, own_database: dict[str, str]) -> None:
    with RunningConsole.prepared(tmp_path, {**own_database, "CONSOLE_HUNG_SECONDS": "3"}) as console:
        web = eventually(lambda: console.process_of("uvicorn"), "the web process runs") or 0
        os.kill(web, signal.SIGSTOP)
        assert console.status("/login") == 200, "the request waited at the open port"
        assert gone(web)
        assert any("web has given no sign of life" in line for line in console.output)
