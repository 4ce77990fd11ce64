"""The fast path under failures: an event that was answered 2xx is stored, and the fast path recovers by itself."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any

import pytest
import uvloop
from django.db import connection, transaction
from django.test import Client

from alerts.fast_path.connections import NAME, ConnectionLost, PostgreSQL
from alerts.fast_path.fast_path import FRESH_SECONDS
from alerts.models import Alert, Event
from appkeys.models import AppKey, OrgToken
from bigpanda_site.http_protocol import sender_behind
from db.transactions import Statement
from people.models import AuditEntry, User
from tests.alerts.test_parity import (
    Secrets,
    SentRequest,
    WebProcess,
    alert,
    ask,
    ask_standard_path,
    batch,
    filled_in,
    in_thread,
    item,
    secrets,
    web_process,
)

__all__ = ["secrets"]  # the fixture
SQLITE = connection.vendor == "sqlite"
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"


async def statuses_of(web: WebProcess, secrets: Secrets, *bodies: dict[str, Any]) -> list[int]:
    """Send requests at the same time. Return the status of each reply."""
    replies = await asyncio.gather(*(ask(web, SentRequest(body), secrets) for body in bodies))
    return [reply.status for reply in replies]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


async def in_database(work: Any) -> None:
    await asyncio.to_thread(in_thread, work)


def hosts() -> Counter[str]:
    return Counter(str(event.alert.tags["host"]) for event in Event.objects.select_related("alert"))


@pytest.mark.django_db(transaction=True)
def test_requests_under_way_when_it_closes_are_stored_and_answered(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> list[int]:
        async with web_process(monkeypatch) as web:
            await statuses_of(web, secrets, alert())
            await statuses_of(web, secrets, alert(status="ok"))
            requests = [
                asyncio.create_task(statuses_of(web, secrets, alert(host=f"late-{number}"))) for number in range(20)
            ]
            await until(lambda: web.received == 22)
        return [status for each in requests for status in await each]

    assert asyncio.run(play()) == [HTTPStatus.CREATED] * 20
    assert Alert.objects.filter(identifier__startswith="host=late-").count() == 20


@pytest.mark.django_db(transaction=True)
def test_new_known_and_changed_alerts_may_come_together(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> tuple[list[int], list[int]]:
        async with web_process(monkeypatch) as web:
            await statuses_of(web, secrets, alert())
            before = web.passed_on
            first = await statuses_of(web, secrets, *(alert(host=f"h-{number}") for number in range(4)))
            # Two connections have no order between them, so no alert comes twice at once.
            changed = (
                alert(host="h-0"),
                alert(host="h-1", status="ok"),
                alert(host="h-9"),
                alert(host="h-2", owner="x"),
            )
            mixed = await statuses_of(web, secrets, *changed)
            mixed += await statuses_of(
                web, secrets, alert(host="h-9"), alert(host="h-1"), batch(item(host="h-9"), item(host="h-0"))
            )
            assert web.passed_on == before
            return first, mixed

    first, mixed = asyncio.run(play())
    assert first == [201] * 4
    assert mixed == [204, 201, 201, 201, 204, 201, 204]
    stored = hosts()
    assert (stored["h-0"], stored["h-1"], stored["h-2"], stored["h-9"]) == (1, 3, 2, 1)


@pytest.mark.django_db(transaction=True)
def test_another_writer_between_look_up_and_write_loses_and_doubles_nothing(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second web process stores the same new alert, and changes a known one, after this one has looked both up."""

    async def play() -> list[int]:
        async with web_process(monkeypatch) as web:
            await statuses_of(web, secrets, alert(host="known"))
            await statuses_of(web, secrets, alert(host="known", status="ok"))
            before = web.passed_on
            statuses = []
            for number in range(6):
                here = statuses_of(
                    web, secrets, alert(host=f"both-{number}"), alert(host="known", step=f"here {number}")
                )
                bodies = alert(host=f"both-{number}"), alert(host="known", step=f"there {number}")
                there = asyncio.gather(
                    *(ask_standard_path(web.standard_path, SentRequest(body), secrets) for body in bodies)
                )
                mine, others = await asyncio.gather(here, there)
                statuses.append(sorted([mine[0], others[0].status]))
                assert [mine[1], others[1].status] == [201, 201]
            assert web.passed_on == before
            return [status for each in statuses for status in each]

    assert asyncio.run(play()) == [201, 204] * 6
    stored = hosts()
    assert [stored[f"both-{number}"] for number in range(6)] == [1] * 6
    assert stored["known"] == 2 + 12


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(SQLITE, reason="a file has no server whose connections could be cut")
def test_a_cut_connection_loses_no_event_and_is_opened_again(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_it() -> None:
        with connection.cursor() as cursor:
            cursor.execute(CUT, [NAME])
            assert set(cursor.fetchall()) == {(True,)}

    async def play() -> list[int]:
        async with web_process(monkeypatch) as web:
            await statuses_of(web, secrets, alert())
            await statuses_of(web, secrets, alert(host="a"))
            statuses = []
            for number in range(5):
                requests = asyncio.create_task(
                    statuses_of(web, secrets, *(alert(host=f"cut-{number}-{place}") for place in range(10)))
                )
                if number % 2:
                    await asyncio.sleep(0)
                await in_database(cut_it)
                statuses += await requests
                # This request may still get the connection that is being cut.
                assert await statuses_of(web, secrets, alert(host=f"afterwards-{number}")) == [201]
                before = web.passed_on
                assert await statuses_of(web, secrets, alert(host=f"back-{number}")) == [201]
                assert web.passed_on == before, "the fast path works again"
            return statuses

    statuses = asyncio.run(play())
    stored = hosts()
    for place, status in enumerate(statuses):
        assert status in (201, 204, 503)
        if status != 503:
            assert stored[f"cut-{place // 10}-{place % 10}"] == 1
    assert max(stored.values()) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(SQLITE, reason="a file has no server whose connections could be cut")
def test_a_cut_that_the_event_loop_has_not_seen_raises_an_error_instead_of_waiting() -> None:
    def cut_it() -> None:
        with connection.cursor() as cursor:
            cursor.execute(CUT, [NAME])
            while cursor.rowcount:  # until no connection is left
                cursor.execute(CUT, [NAME])

    async def play() -> None:
        link = PostgreSQL()
        assert await link.execute([Statement("SELECT 1", ())])
        thread = threading.Thread(target=in_thread, args=(cut_it,))
        thread.start()
        thread.join()  # not awaited, so that the event loop has not seen the cut when it writes
        with pytest.raises(ConnectionLost):
            async with asyncio.timeout(10):
                await link.execute([Statement("SELECT 1", ())])
        assert await link.execute([Statement("SELECT 1", ())]), "a new connection is open"
        link.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play())


@pytest.mark.django_db(transaction=True)
def test_both_secrets_of_a_rotation_work_until_the_rotation_ends(
    secrets: Secrets, app_key: AppKey, admin: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(admin)
    rotation = f"/integrations/{app_key.pk}/rotate"

    async def play() -> None:
        async with web_process(monkeypatch) as web:
            await statuses_of(web, secrets, alert())
            pages: list[Any] = []
            await in_database(lambda: pages.append(client.post(rotation, {"days": "7"})))
            new = secrets | {"APP_KEY": pages[0].context["secret"]}
            assert [await statuses_of(web, each, alert(step=step)) for step, each in enumerate((secrets, new))] == [
                [201],
                [201],
            ]
            before = web.passed_on
            assert [await statuses_of(web, each, alert(again=step)) for step, each in enumerate((secrets, new))] == [
                [201],
                [201],
            ]
            assert web.passed_on == before
            await in_database(lambda: client.post(f"{rotation}/end"))
            await asyncio.sleep(FRESH_SECONDS)
            assert await statuses_of(web, secrets, alert(host="late")) == [400]
            assert await statuses_of(web, new, alert(host="in-time")) == [201]
            before = web.passed_on
            assert await statuses_of(web, new, alert(host="in-time", status="ok")) == [201]
            assert web.passed_on == before

    asyncio.run(play())
    assert (hosts()["late"], hosts()["in-time"]) == (0, 2)


@pytest.mark.django_db(transaction=True)
def test_pipelined_requests_are_answered_in_their_order(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests are for the fast path, the standard path and a page, on one connection."""
    bodies = [alert(), alert(status="up"), alert(), alert(host="b"), alert(app_key="nobody's"), alert(host="c")]

    async def play() -> list[int]:
        async with web_process(monkeypatch) as web:
            await statuses_of(web, secrets, alert(host="first"))
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
            for body in bodies:
                writer.write(as_sent(body, secrets))
            writer.write(b"GET /login HTTP/1.1\r\nHost: testserver\r\nConnection: close\r\n\r\n")
            answers = (await reader.read()).split(b"HTTP/1.1 ")
            writer.close()
            return [int(answer[:3]) for answer in answers[1:]]

    assert asyncio.run(play()) == [201, 400, 204, 201, 400, 201, 200]


@pytest.mark.django_db(transaction=True)
def test_events_of_a_sender_that_did_not_wait_for_the_reply_are_stored(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with web_process(monkeypatch) as web:
            await statuses_of(web, secrets, alert(host="first"))
            for number in range(3):
                _, writer = await asyncio.open_connection("127.0.0.1", web.port)
                writer.write(as_sent(alert(host=f"gone-{number}"), secrets))
                await writer.drain()
                writer.close()
            await statuses_of(web, secrets, alert(host="last"))

    asyncio.run(play())
    assert sum(hosts()[f"gone-{number}"] for number in range(3)) == 3


@pytest.mark.django_db(transaction=True)
def test_while_tokens_cannot_be_read_nothing_is_accepted(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(old: str, new: str) -> Callable[[], None]:
        def rename() -> None:
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

        return rename

    async def play() -> list[list[int]]:
        async with web_process(monkeypatch) as web:
            await statuses_of(web, secrets, alert())
            before = await statuses_of(web, secrets, alert(host="before"))
            await in_database(renamed("appkeys_orgtoken", "away"))
            await asyncio.sleep(2 * FRESH_SECONDS)
            meanwhile = await statuses_of(web, secrets, alert(host="meanwhile"))
            await in_database(renamed("away", "appkeys_orgtoken"))
            return [before, meanwhile, await statuses_of(web, secrets, alert(host="after"))]

    # SQLite reports a missing table as a failure of the database, PostgreSQL as an error of the statement.
    assert asyncio.run(play()) == [[201], [503 if SQLITE else 500], [201]]
    assert (hosts()["meanwhile"], hosts()["after"]) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_a_proxy_states_scheme_and_client_of_a_request_that_is_passed_on(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_proxy = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}

    async def play() -> tuple[str, str]:
        async with web_process(monkeypatch) as web:
            reply = await ask(
                web, SentRequest(alert(status="up"), {"Authorization": "Bearer ORG_TOKEN"} | by_proxy), secrets
            )
            assert reply.status == HTTPStatus.BAD_REQUEST
            return web.scope["scheme"], web.scope["client"][0]

    assert asyncio.run(play()) == ("https", "203.0.113.7")


@asynccontextmanager
async def connected(web: WebProcess) -> AsyncIterator[tuple[Callable[[bytes], None], Callable[[], Awaitable[int]]]]:
    """Open a connection. Yield a function that sends bytes, and one that returns the status of the next reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    writer.transport.get_extra_info("socket").setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)

    async def answer() -> int:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
        return int(head[9:12])

    yield writer.write, answer
    writer.close()


def as_sent(body: dict[str, Any], secrets: Secrets) -> bytes:
    text = filled_in(json.dumps(body), secrets)
    head = f"POST /data/v2/alerts HTTP/1.1\r\nHost: testserver\r\nAuthorization: Bearer {secrets['ORG_TOKEN']}\r\n"
    return f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode()


@pytest.mark.django_db(transaction=True)
def test_a_repeated_head_is_recognized_however_the_network_splits_the_bytes(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def request(host: str, **fields: Any) -> bytes:
        return as_sent(alert(host=host) | fields, secrets)

    size = len(request("h-000"))
    cuts = [
        1,
        size // 4,
        size // 2,
        *(size - len(request("h-000").partition(b"\r\n\r\n")[2]) + at for at in range(-6, 7)),
    ]
    cuts += [size - 1, size, size + 1, size + size // 2]
    names = [f"h-{number:03}" for number in range(2 * len(cuts))]

    async def play() -> tuple[list[int], int]:
        async with web_process(monkeypatch) as web:
            await statuses_of(web, secrets, alert(host="first"))
            async with connected(web) as (send, status):
                send(request("learn"))
                statuses = [await status()]
                assert len(web.fast_path.heads) == 1
                for cut in cuts:
                    both = request(names[len(statuses) - 1]) + request(names[len(statuses)])
                    for part in (both[:cut], both[cut:]):
                        send(part)
                        await asyncio.sleep(0.005)
                    statuses += [await status(), await status()]
            before = web.passed_on
            async with connected(web) as (send, status):
                for body in (request("h-000"), request("h-000", check="gpu"), request("h-000", status="criticul")):
                    send(body)
                    statuses.append(await status())
            assert len(web.fast_path.heads) == 1
            return statuses, web.passed_on - before

    statuses, passed_on = asyncio.run(play())
    assert statuses == [201] * (1 + len(names)) + [204, 201, 400]
    assert passed_on == 1, "the rejected request"
    stored = hosts()
    assert [stored[host] for host in names] == [2] + [1] * (len(names) - 1)


@pytest.mark.django_db(transaction=True)
def test_a_connection_is_kept_while_requests_arrive_and_closed_after_silence(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> list[int]:
        async with web_process(monkeypatch, keep_alive=1) as web:
            await statuses_of(web, secrets, alert())
            async with connected(web) as (send, status):
                statuses = []
                for _ in range(5):  # longer than a silent connection is kept
                    send(as_sent(alert(), secrets))
                    statuses.append(await status())
                    await asyncio.sleep(0.4)
                with pytest.raises(asyncio.IncompleteReadError):
                    await asyncio.wait_for(status(), 30)
                return statuses

    assert asyncio.run(play()) == [204] * 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(SQLITE, reason="a file has one lock, for all alerts")
def test_an_event_that_waits_for_a_locked_alert_delays_no_other_event(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person may resolve thousands of alerts, of which one changes at that moment."""
    is_locked, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            assert Alert.objects.select_for_update().get(identifier__startswith="host=held ")
            is_locked.set()
            assert may_end.wait(30)

    async def play() -> tuple[int, int]:
        async with web_process(monkeypatch) as web:
            await statuses_of(web, secrets, alert(host="held"))
            await statuses_of(web, secrets, alert(host="held", status="ok"))
            holding = asyncio.create_task(in_database(hold))
            await asyncio.to_thread(is_locked.wait)
            waits = asyncio.create_task(statuses_of(web, secrets, alert(host="held")))
            await asyncio.sleep(0.2)
            try:
                (other,) = await asyncio.wait_for(statuses_of(web, secrets, alert(host="other")), 10)
                assert not waits.done()
            finally:
                may_end.set()
                await holding
            return other, (await waits)[0]

    assert asyncio.run(play()) == (201, 201)


@pytest.mark.django_db(transaction=True)
def test_after_duplicates_new_and_changed_alerts_are_recognized(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fast path expects that a group is like the one before."""

    async def play() -> list[list[int]]:
        async with web_process(monkeypatch) as web:
            rounds = (
                [alert(host="a")],
                *[[alert(host="a")]] * 3,
                [alert(host="a"), alert(host="b")],
                *[[alert(host="a"), alert(host="b")]] * 2,
                [alert(host="a", status="ok"), alert(host="b"), alert(host="c")],
                *[[alert(host="a", status="ok"), alert(host="c")]] * 2,
                [alert(host="a")],
            )
            return [await statuses_of(web, secrets, *bodies) for bodies in rounds]

    new, same = 201, 204
    assert asyncio.run(play()) == [
        [new],
        *[[same]] * 3,
        [same, new],
        *[[same, same]] * 2,
        [new, same, new],
        *[[same, same]] * 2,
        [new],
    ]
    assert hosts() == {"a": 3, "b": 1, "c": 1}


@pytest.mark.django_db(transaction=True)
def test_the_last_use_of_a_token_has_the_address_that_a_trusted_proxy_reports(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appkeys.usage.WRITTEN_EVERY", timedelta(0))

    def request(name: str, *, forwarded_for: str = "") -> bytes:
        head = f"\r\nX-Forwarded-For: {forwarded_for}\r\nContent-Length:".encode()
        plain = as_sent(alert(host=name), secrets)
        return plain.replace(b"\r\nContent-Length:", head) if forwarded_for else plain

    async def play() -> None:
        async with web_process(monkeypatch) as web:
            await statuses_of(web, secrets, alert(host="first"))
            before = web.passed_on
            async with connected(web) as (send, status):
                for number in range(3):  # the later heads are known, and are not read again
                    for forwarded_for in ("", "198.51.100.7, 203.0.113.7"):
                        send(request(f"web-{number}", forwarded_for=forwarded_for))
                        await status()
            assert web.passed_on == before
            assert len(web.fast_path.heads) == 2

    asyncio.run(play())
    assert OrgToken.objects.get(name="Test senders").last_used_address == "203.0.113.7"
    uses = AuditEntry.objects.filter(change="used", entity_name="Test senders")
    assert set(uses.values_list("address", flat=True)) == {"127.0.0.1", "203.0.113.7"}


@pytest.mark.parametrize(("peer", "seen"), [("127.0.0.1", "203.0.113.7"), ("192.0.2.1", "192.0.2.1")])
def test_only_a_trusted_proxy_reports_the_address_of_a_sender(peer: str, seen: str) -> None:
    assert sender_behind(peer, "203.0.113.7", "127.0.0.1") == seen
