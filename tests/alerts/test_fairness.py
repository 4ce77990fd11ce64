"""A storm of one sender delays no other sender: requests wait while the database is held, and are answered in a fair order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.db import connection, transaction

from alerts.models import Alert
from tests.alerts.test_parity import (
    Secrets,
    SentRequest,
    WebProcess,
    alert,
    ask,
    batch,
    encoded,
    in_thread,
    item,
    secrets,
    web_process,
)

__all__ = ["secrets"]  # the fixture
STORM = 32  # requests of 300 events, so a group holds six


@contextlib.asynccontextmanager
async def held_database() -> AsyncIterator[None]:
    """Let nobody write alerts within the context."""
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():  # on SQLite this is the lock
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("LOCK TABLE alerts_alert IN EXCLUSIVE MODE")
            is_held.set()
            assert may_end.wait(30)

    holding = asyncio.create_task(asyncio.to_thread(in_thread, hold))
    await asyncio.to_thread(is_held.wait)
    try:
        yield
    finally:
        may_end.set()
        await holding


def raw(body: dict[str, Any], secrets: Secrets) -> bytes:
    path, headers, content = encoded(SentRequest(body), secrets)
    headers |= {"Host": "testserver", "Content-Length": str(len(content))}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + content


async def order_of_answers(web: WebProcess, *rounds: list[bytes]) -> list[int]:
    """Send requests over a connection each, while the database is held. Return their places in the order of their answers.

    All requests of a round are there before the web process reads one. It has read them before the next round.
    """
    loop = asyncio.get_running_loop()
    answered: list[int] = []
    with contextlib.ExitStack() as stack:

        async def wait_for_answer(place: int) -> None:
            assert b" 201 " in await loop.sock_recv(links[place], 100)
            answered.append(place)

        links: list[socket.socket] = []
        async with held_database():
            before = web.received
            for requests in rounds:
                for request in requests:
                    links.append(stack.enter_context(socket.create_connection(("127.0.0.1", web.port))))
                    links[-1].sendall(request)  # while the event loop stands still
                    links[-1].setblocking(False)
                while web.received < before + len(links):
                    await asyncio.sleep(0)
                await asyncio.sleep(0.5)  # until the credentials and the last large body are read, too
            waiting = asyncio.gather(*map(wait_for_answer, range(len(links))))
            await asyncio.sleep(0)
        await waiting
    return answered


def storm(secrets: Secrets) -> list[bytes]:
    """Return the requests of a storm: more events than three groups can hold."""
    return [raw(batch(*(item(host=f"s{place}-{n}") for n in range(300))), secrets) for place in range(STORM)]


def play(secrets: Secrets, quiet: Secrets, monkeypatch: pytest.MonkeyPatch, *, at_once: bool) -> list[int]:
    """Send a storm, and with it or after it one alert. Return the order of their answers."""

    async def play() -> list[int]:
        async with web_process(monkeypatch) as web:
            for sender in (secrets, quiet):  # the fast path learns their credentials
                await ask(web, SentRequest(alert()), sender)
            last = [raw(alert(host="quiet"), quiet)]
            order = await order_of_answers(web, *([storm(secrets) + last] if at_once else [storm(secrets), last]))
            assert web.passed_on == len({secrets["APP_KEY"], quiet["APP_KEY"]})
            return order

    return asyncio.run(play())


@pytest.mark.django_db(transaction=True)
def test_an_alert_is_not_answered_after_a_storm_of_another_app_key_that_waits(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = play(secrets, secrets | {"APP_KEY": secrets["OTHER_KEY"]}, monkeypatch, at_once=False)
    assert order.index(STORM) <= STORM * 3 / 4
    assert Alert.objects.count() == STORM * 300 + 3


@pytest.mark.django_db(transaction=True)
def test_an_alert_is_read_before_large_bodies_that_arrived_at_the_same_time(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are of one App Key, so the order of the answers is that of the reading."""
    assert play(secrets, secrets, monkeypatch, at_once=True).index(STORM) <= STORM / 2
