"""The express lane when things go wrong under it: what is answered 2xx is in the database, and it comes back by itself."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
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
from appkeys.models import AppKey
from db.transactions import Statement
from people.models import User
from tests.alerts.test_parity import (
    Lane,
    Secrets,
    Sent,
    ask,
    ask_reference,
    batch,
    filled_in,
    in_thread,
    item,
    lane_in_service,
    one,
    secrets,
)

__all__ = ["secrets"]  # the fixture
SQLITE = connection.vendor == "sqlite"
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"


async def statuses_of(lane: Lane, secrets: Secrets, *bodies: dict[str, Any]) -> list[int]:
    """Sent at once."""
    replies = await asyncio.gather(*(ask(lane, Sent(body), secrets) for body in bodies))
    return [reply.status for reply in replies]


async def is_there(ask_for: Callable[[], Any]) -> Any:
    while not (found := ask_for()):
        await asyncio.sleep(0)
    return found


async def in_database(deed: Any) -> None:
    await asyncio.to_thread(in_thread, deed)


def hosts() -> Counter[str]:
    return Counter(str(event.alert.tags["host"]) for event in Event.objects.select_related("alert"))


@pytest.mark.django_db(transaction=True)
def test_requests_under_way_when_it_closes_are_stored_and_answered(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> list[int]:
        async with lane_in_service(monkeypatch) as lane:
            await statuses_of(lane, secrets, one())
            await statuses_of(lane, secrets, one(status="ok"))
            asked = [
                asyncio.create_task(statuses_of(lane, secrets, one(host=f"late-{number}"))) for number in range(20)
            ]
            await is_there(lambda: lane.came == 22)
        return [status for each in asked for status in await each]

    assert asyncio.run(play()) == [HTTPStatus.CREATED] * 20
    assert Alert.objects.filter(identifier__startswith="host=late-").count() == 20


@pytest.mark.django_db(transaction=True)
def test_new_known_and_changed_alerts_may_come_together(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> tuple[list[int], list[int]]:
        async with lane_in_service(monkeypatch) as lane:
            await statuses_of(lane, secrets, one())
            before = lane.asked
            first = await statuses_of(lane, secrets, *(one(host=f"h-{number}") for number in range(4)))
            mixed = await statuses_of(
                lane,
                secrets,
                *(one(host="h-0"), one(host="h-1", status="ok"), one(host="h-9"), one(host="h-2", owner="x")),
                *(one(host="h-9"), one(host="h-1"), batch(item(host="h-9"), item(host="h-0"))),
            )
            assert lane.asked == before
            return first, mixed

    first, mixed = asyncio.run(play())
    assert first == [201] * 4
    assert mixed == [204, 201, 201, 201, 204, 201, 204]
    stored = hosts()
    assert (stored["h-0"], stored["h-1"], stored["h-2"], stored["h-9"]) == (1, 3, 2, 1)


@pytest.mark.django_db(transaction=True)
def test_another_writer_between_look_up_and_write_costs_nothing(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second web process stores the same new alert, and changes a known one, while this one believes otherwise."""

    async def play() -> list[int]:
        async with lane_in_service(monkeypatch) as lane:
            await statuses_of(lane, secrets, one(host="known"))
            await statuses_of(lane, secrets, one(host="known", status="ok"))
            before = lane.asked
            statuses = []
            for number in range(6):
                here = statuses_of(lane, secrets, one(host=f"both-{number}"), one(host="known", step=f"here {number}"))
                bodies = one(host=f"both-{number}"), one(host="known", step=f"there {number}")
                there = asyncio.gather(*(ask_reference(lane.door_1, Sent(body), secrets) for body in bodies))
                mine, others = await asyncio.gather(here, there)
                statuses.append(sorted([mine[0], others[0].status]))
                assert [mine[1], others[1].status] == [201, 201]
            assert lane.asked == before
            return [status for each in statuses for status in each]

    assert asyncio.run(play()) == [201, 204] * 6
    stored = hosts()
    assert [stored[f"both-{number}"] for number in range(6)] == [1] * 6
    assert stored["known"] == 2 + 12


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(SQLITE, reason="a file has no server whose connections could be cut")
def test_a_cut_connection_costs_no_event_and_comes_back_by_itself(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_it() -> None:
        with connection.cursor() as cursor:
            cursor.execute(CUT, [NAME])
            assert set(cursor.fetchall()) == {(True,)}

    async def play() -> list[int]:
        async with lane_in_service(monkeypatch) as lane:
            await statuses_of(lane, secrets, one())
            await statuses_of(lane, secrets, one(host="a"))
            statuses = []
            for number in range(5):
                asked = asyncio.create_task(
                    statuses_of(lane, secrets, *(one(host=f"cut-{number}-{place}") for place in range(10)))
                )
                if number % 2:
                    await asyncio.sleep(0)
                await in_database(cut_it)
                statuses += await asked
                # It may meet the connection while that dies.
                assert await statuses_of(lane, secrets, one(host=f"afterwards-{number}")) == [201]
                before = lane.asked
                assert await statuses_of(lane, secrets, one(host=f"back-{number}")) == [201]
                assert lane.asked == before, "the lane is back"
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
def test_a_connection_that_was_cut_unseen_is_lost_and_not_waited_for() -> None:
    def cut_it() -> None:
        with connection.cursor() as cursor:
            cursor.execute(CUT, [NAME])
            while cursor.rowcount:  # until none is left
                cursor.execute(CUT, [NAME])

    async def play() -> None:
        link = PostgreSQL()
        assert await link.execute([Statement("SELECT 1", ())])
        thread = threading.Thread(target=in_thread, args=(cut_it,))
        thread.start()
        thread.join()  # and not awaited: the loop has not seen it when it writes
        with pytest.raises(ConnectionLost):
            async with asyncio.timeout(10):
                await link.execute([Statement("SELECT 1", ())])
        assert await link.execute([Statement("SELECT 1", ())]), "it is back"
        link.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play())


@pytest.mark.django_db(transaction=True)
def test_both_secrets_of_a_rotation_are_its_own_until_that_is_ended(
    secrets: Secrets, app_key: AppKey, admin: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(admin)
    rotation = f"/integrations/{app_key.pk}/rotate"

    async def play() -> None:
        async with lane_in_service(monkeypatch) as lane:
            await statuses_of(lane, secrets, one())
            pages: list[Any] = []
            await in_database(lambda: pages.append(client.post(rotation, {"days": "7"})))
            new = secrets | {"APP_KEY": pages[0].context["secret"]}
            assert [await statuses_of(lane, each, one(step=step)) for step, each in enumerate((secrets, new))] == [
                [201],
                [201],
            ]
            before = lane.asked
            assert [await statuses_of(lane, each, one(again=step)) for step, each in enumerate((secrets, new))] == [
                [201],
                [201],
            ]
            assert lane.asked == before
            await in_database(lambda: client.post(f"{rotation}/end"))
            await asyncio.sleep(FRESH_SECONDS)
            assert await statuses_of(lane, secrets, one(host="late")) == [400]
            assert await statuses_of(lane, new, one(host="in-time")) == [201]
            before = lane.asked
            assert await statuses_of(lane, new, one(host="in-time", status="ok")) == [201]
            assert lane.asked == before

    asyncio.run(play())
    assert (hosts()["late"], hosts()["in-time"]) == (0, 2)


@pytest.mark.django_db(transaction=True)
def test_requests_sent_one_behind_another_are_answered_in_their_order(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one connection, without waiting for answers: for the lane, for door 1 and for a page."""
    bodies = [one(), one(status="up"), one(), one(host="b"), one(app_key="nobody's"), one(host="c")]

    async def play() -> list[int]:
        async with lane_in_service(monkeypatch) as lane:
            await statuses_of(lane, secrets, one(host="first"))
            reader, writer = await asyncio.open_connection("127.0.0.1", lane.port)
            for body in bodies:
                writer.write(as_sent(body, secrets))
            writer.write(b"GET /login HTTP/1.1\r\nHost: testserver\r\nConnection: close\r\n\r\n")
            answers = (await reader.read()).split(b"HTTP/1.1 ")
            writer.close()
            return [int(answer[:3]) for answer in answers[1:]]

    assert asyncio.run(play()) == [201, 400, 204, 201, 400, 201, 200]


@pytest.mark.django_db(transaction=True)
def test_what_a_sender_sent_who_did_not_wait_for_the_answer_is_stored(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with lane_in_service(monkeypatch) as lane:
            await statuses_of(lane, secrets, one(host="first"))
            for number in range(3):
                _, writer = await asyncio.open_connection("127.0.0.1", lane.port)
                writer.write(as_sent(one(host=f"gone-{number}"), secrets))
                await writer.drain()
                writer.close()
            await statuses_of(lane, secrets, one(host="last"))

    asyncio.run(play())
    assert sum(hosts()[f"gone-{number}"] for number in range(3)) == 3


@pytest.mark.django_db(transaction=True)
def test_where_it_cannot_be_told_whether_a_token_still_counts_nothing_is_taken(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renamed(old: str, new: str) -> Callable[[], None]:
        def rename() -> None:
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

        return rename

    async def play() -> list[list[int]]:
        async with lane_in_service(monkeypatch) as lane:
            await statuses_of(lane, secrets, one())
            before = await statuses_of(lane, secrets, one(host="before"))
            await in_database(renamed("appkeys_orgtoken", "away"))
            await asyncio.sleep(2 * FRESH_SECONDS)
            meanwhile = await statuses_of(lane, secrets, one(host="meanwhile"))
            await in_database(renamed("away", "appkeys_orgtoken"))
            return [before, meanwhile, await statuses_of(lane, secrets, one(host="after"))]

    # A table that is away is a breakdown to SQLite, and our mistake to PostgreSQL.
    assert asyncio.run(play()) == [[201], [503 if SQLITE else 500], [201]]
    assert (hosts()["meanwhile"], hosts()["after"]) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_who_asked_is_the_proxys_to_say_where_the_lane_left_the_request_too(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_proxy = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}

    async def play() -> tuple[str, str]:
        async with lane_in_service(monkeypatch) as lane:
            reply = await ask(lane, Sent(one(status="up"), {"Authorization": "Bearer ORG_TOKEN"} | by_proxy), secrets)
            assert reply.status == HTTPStatus.BAD_REQUEST
            return lane.scope["scheme"], lane.scope["client"][0]

    assert asyncio.run(play()) == ("https", "203.0.113.7")


@asynccontextmanager
async def connected(lane: Lane) -> AsyncIterator[tuple[Callable[[bytes], None], Callable[[], Awaitable[int]]]]:
    """A connection: what is told it is sent at once; and the status of the next answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", lane.port)
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
def test_a_sender_who_says_the_same_head_again_is_understood_wherever_the_network_cuts_what_is_sent(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alert(host: str, **fields: Any) -> bytes:
        return as_sent(one(host=host) | fields, secrets)

    size = len(alert("h-000"))
    cuts = [
        1,
        size // 4,
        size // 2,
        *(size - len(alert("h-000").partition(b"\r\n\r\n")[2]) + at for at in range(-6, 7)),
    ]
    cuts += [size - 1, size, size + 1, size + size // 2]
    told_of = [f"h-{number:03}" for number in range(2 * len(cuts))]

    async def play() -> tuple[list[int], int]:
        async with lane_in_service(monkeypatch) as lane:
            await statuses_of(lane, secrets, one(host="first"))
            async with connected(lane) as (tell, answer):
                tell(alert("learn"))
                statuses = [await answer()]
                assert len(lane.express.heads) == 1
                for cut in cuts:
                    both = alert(told_of[len(statuses) - 1]) + alert(told_of[len(statuses)])
                    for part in (both[:cut], both[cut:]):
                        tell(part)
                        await asyncio.sleep(0.005)
                    statuses += [await answer(), await answer()]
            before = lane.asked
            async with connected(lane) as (tell, answer):
                for body in (alert("h-000"), alert("h-000", check="gpu"), alert("h-000", status="criticul")):
                    tell(body)
                    statuses.append(await answer())
            assert len(lane.express.heads) == 1
            return statuses, lane.asked - before

    statuses, asked = asyncio.run(play())
    assert statuses == [201] * (1 + len(told_of)) + [204, 201, 400]
    assert asked == 1, "the one that is refused"
    stored = hosts()
    assert [stored[host] for host in told_of] == [2] + [1] * (len(told_of) - 1)


@pytest.mark.django_db(transaction=True)
def test_a_connection_is_kept_while_its_sender_goes_on_and_closed_when_nothing_more_comes(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> list[int]:
        async with lane_in_service(monkeypatch, keep_alive=1) as lane:
            await statuses_of(lane, secrets, one())
            async with connected(lane) as (tell, answer):
                statuses = []
                for _ in range(5):  # longer than a connection is kept
                    tell(as_sent(one(), secrets))
                    statuses.append(await answer())
                    await asyncio.sleep(0.4)
                with pytest.raises(asyncio.IncompleteReadError):
                    await asyncio.wait_for(answer(), 30)
                return statuses

    assert asyncio.run(play()) == [204] * 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(SQLITE, reason="a file has one lock, for all alerts")
def test_an_event_that_waits_for_its_alert_keeps_no_other_waiting(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a person resolves thousands of alerts, of which one just changes."""
    is_locked, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            assert Alert.objects.select_for_update().get(identifier__startswith="host=held ")
            is_locked.set()
            assert may_end.wait(30)

    async def play() -> tuple[int, int]:
        async with lane_in_service(monkeypatch) as lane:
            await statuses_of(lane, secrets, one(host="held"))
            await statuses_of(lane, secrets, one(host="held", status="ok"))
            holding = asyncio.create_task(in_database(hold))
            await asyncio.to_thread(is_locked.wait)
            waits = asyncio.create_task(statuses_of(lane, secrets, one(host="held")))
            await asyncio.sleep(0.2)
            try:
                (other,) = await asyncio.wait_for(statuses_of(lane, secrets, one(host="other")), 10)
                assert not waits.done()
            finally:
                may_end.set()
                await holding
            return other, (await waits)[0]

    assert asyncio.run(play()) == (201, 201)


@pytest.mark.django_db(transaction=True)
def test_after_duplicates_whatever_comes_is_taken_for_what_it_is(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lane guesses that a group is like the one before."""

    async def play() -> list[list[int]]:
        async with lane_in_service(monkeypatch) as lane:
            rounds = (
                [one(host="a")],
                *[[one(host="a")]] * 3,
                [one(host="a"), one(host="b")],
                *[[one(host="a"), one(host="b")]] * 2,
                [one(host="a", status="ok"), one(host="b"), one(host="c")],
                *[[one(host="a", status="ok"), one(host="c")]] * 2,
                [one(host="a")],
            )
            return [await statuses_of(lane, secrets, *bodies) for bodies in rounds]

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
