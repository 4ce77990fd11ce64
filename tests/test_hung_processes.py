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
import pytest
from django.db import connection, transaction
from django.test import Client

from bench.viewing import Person
from incidents import correlation_lock
from incidents.correlation_lock import LOCK_KEY
from incidents.models import Incident
from people.models import User
from tests.conftest import PostEvent
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

    def caught() -> int | None:
        worker = console.process_of(WORKER)
        if not worker or not is_held(console):
            return None
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.kill(worker, signal.SIGSTOP)
            if is_held(console, 1.0):
                return worker
            os.kill(worker, signal.SIGCONT)
        return None

    return eventually(caught, "the worker was frozen with the lock") or 0


def test_frozen_processes_delay_neither_pages_nor_ingest_for_long_and_others_do_their_work(
    tmp_path: Path, own_database: dict[str, str]
) -> None:
    with RunningConsole.prepared(tmp_path, {**own_database, "CONSOLE_HUNG_SECONDS": "6"}) as console:
        sender, person = Sender(console), Person(console)
        with load(console, sender) as taken:
            eventually(lambda: "host-0-" in person.get("/"), "correlation works")
            worker = freeze_with_lock(console)
            assert person.status("/") == 200
            assert console.status("/login") == 200
            if own_database:
                assert sender.send("meanwhile") == 201
                taken.append("meanwhile")
            web = eventually(lambda: console.process_of("uvicorn"), "the web process runs") or 0
            os.kill(web, signal.SIGSTOP)
            if own_database:
                # PostgreSQL ends the transaction sooner than the supervisor ends the worker, which then goes on.
                eventually(lambda: not is_held(console), "the lock was taken from the worker")
                with contextlib.suppress(ProcessLookupError):  # the supervisor was sooner
                    os.kill(worker, signal.SIGCONT)
            assert console.status("/login") == 200, "the request waited at the open port for the next web process"
            assert gone(web)
        assert_kept(console, taken)


@pytest.mark.django_db(transaction=True)
def test_a_person_is_told_that_correlation_is_busy(admin: User, post_event: PostEvent) -> None:
    post_event(host="web-1")
    incident = Incident.objects.get()
    browser = Client(raise_request_exception=False)
    browser.force_login(admin)
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            correlation_lock.hold()
            is_held.set()
            assert may_end.wait(60)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert is_held.wait(60)
        with connection.cursor() as cursor:  # what limits the web process, with less patience
            cursor.execute(
                "SET lock_timeout = 200" if connection.vendor == "postgresql" else "PRAGMA busy_timeout = 200"
            )
        page = browser.post(f"/incidents/{incident.pk}/acknowledge")
    finally:
        may_end.set()
        holder.join()
        connection.close()
    assert page.status_code == 503
    assert page.headers["Retry-After"] == "5"
    assert "Correlation is busy." in page.content.decode()
    assert "Nothing was changed. Try again." in page.content.decode()
    assert browser.post(f"/incidents/{incident.pk}/acknowledge").status_code == 302
