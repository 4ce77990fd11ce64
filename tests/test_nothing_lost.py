"""Promises 1 and 2 of docs/how-it-works.md §1, on a whole console whose processes are killed under load."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from tests import postgres
from tests.running_console import RunningConsole, eventually
from tests.senders import Sender, assert_kept, crash, kill


@pytest.mark.any_database
def test_worker_and_broker_killed_while_alerts_are_posted_lose_and_double_nothing(
    tmp_path: Path, own_database: dict[str, str]
) -> None:
    hosts = [f"host-{number}" for number in range(500)]
    with RunningConsole.prepared(tmp_path, own_database) as console:

        def kill_both() -> None:
            kill(console, "--queues correlation")
            kill(console, "valkey-server")

        answered = Sender(console).send_all(hosts, meanwhile=kill_both)
        assert set(answered.values()) == {201}, "neither worker nor broker is on the way from a POST to its answer"
        assert_kept(console, hosts)


@pytest.mark.any_database
def test_a_web_process_killed_while_alerts_are_posted_keeps_what_it_answered(
    tmp_path: Path, own_database: dict[str, str]
) -> None:
    hosts = [f"host-{number}" for number in range(200)]
    with RunningConsole.prepared(tmp_path, own_database) as console:
        sender = Sender(console)
        answered = sender.send_all(hosts, meanwhile=lambda: kill(console, "uvicorn"))
        eventually(lambda: console.status("/login") == 200, "the web process was back")
        again = {sender.send(host) for host, status in answered.items() if status == 0}
        assert again <= {201, 204}, "a sender that tries again gets its answer"
        assert_kept(console, hosts)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a file has no server that could be restarted")
def test_what_a_restart_of_the_database_cut_is_no_senders_concern(tmp_path: Path, own_database: dict[str, str]) -> None:
    with RunningConsole.prepared(tmp_path, own_database) as console, ThreadPoolExecutor(16) as senders:
        sender = Sender(console)

        def storm(name: str) -> set[int]:
            plain = [senders.submit(sender.send, f"{name}-{number}") for number in range(100)]
            repaired = [senders.submit(sender.send, f"{name}-other-{number}", nested={"a": 1}) for number in range(100)]
            return {each.result() for each in plain + repaired}

        assert storm("before") == {201}
        with psycopg.connect(own_database["DATABASE_URL"]) as server:
            cut = "FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()"
            server.execute(f"SELECT pg_terminate_backend(pid) {cut}")
        assert storm("after") <= {201, 204}
        assert storm("later") == {201}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a file has no server that could crash")
def test_a_database_that_crashes_while_alerts_are_posted_keeps_what_was_answered(tmp_path: Path) -> None:
    hosts = [f"host-{number}" for number in range(500)]
    with postgres.running(extra=()) as url, RunningConsole.prepared(tmp_path, {"DATABASE_URL": url}) as console:
        sender = Sender(console)
        answered = sender.send_all(hosts, meanwhile=lambda: crash(url))
        again = {sender.send(host) for host, status in answered.items() if status == 503}
        assert {*answered.values()} - {503} | again <= {201, 204}
        assert_kept(console, hosts)
