"""Live updates: one subscription per web process, one open stream per browser, and each live view rendered once for all pages that watch it.

The server sends each page the changes of the views that its person may see, in order. A stream needs no thread and no
database connection of its own: one thread renders the views, as long as a page watches them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import SuspiciousOperation
from django.db import Error, close_old_connections
from django.db.models import Max
from django.http import Http404, HttpRequest, QueryDict, parse_cookie

from db import deadline
from db.broker import TIMEOUTS
from incidents.announce import CHANNEL
from incidents.correlation import backlog
from incidents.feed.live_view import LiveView, Round, State, view_key
from incidents.models import Activity, CorrelationBatch, Incident
from people import sessions
from people.models import User
from people.session_store import SessionStore

logger = logging.getLogger(__name__)
PATH = "/live"
PING_SECONDS = 15
BACKLOG_SECONDS = 3  # between two looks at the alerts that wait for correlation
POLL_SECONDS = 2  # between two looks for changes while the broker is away
RECHECK_SECONDS = 60  # how soon a stream ends after its person was signed out or got another role
LEAST_REST, MOST_REST = 0.25, 5.0  # seconds between two rounds
REST = 4  # times the duration of a round, so that rendering takes a fifth of one core
SETTLED_SECONDS = 15  # after its return, for which other processes may still think that the broker is away
LATELY = 5.0  # seconds; a page needs less between its rendering and the start of its stream
PING_BROKER_SECONDS = 2  # without a message, after which the broker is asked whether it is there
SLOW_SECONDS = 0.5  # from which on a search is made beside the rounds
SEARCHES_AT_ONCE = 2  # beside the rounds
VIEWS_AT_MOST = 12  # of one stream
VIEWS_PER_PERSON = 20  # different ones, in all streams of a person; a round takes as long as all views together
REFUSED_MILLISECONDS = 30_000  # until the browser of a refused stream asks again
RECONNECT_MILLISECONDS = 300  # after the end of this process
BEHIND_AT_MOST = 100  # messages that wait for a slow browser; beyond that the stream ends and the browser reconnects

Key = tuple[str, ...]
KEEPS_UP = b"event: backlog\ndata: none\n\n"


class Refusal(NamedTuple):
    """The reason why a page gets no live updates: words for its top bar, and a sentence."""

    words: str
    sentence: str


TOO_MANY_SEARCHES = Refusal("many searches open", "You have many other searches with live updates open already.")


@dataclass(eq=False)
class OpenPage:
    """An open stream: its person, the views and incidents that it watches, and the messages that wait for it."""

    person: int
    views: set[Key]
    incidents: set[str]
    wants_all: bool  # also send a message at any change
    waiting: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(BEHIND_AT_MOST))
    is_lost: bool = False

    def tell(self, message: bytes) -> None:
        try:
            self.waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.is_lost = True


class Watchers:
    """The open pages of this process, and the live views that they watch."""

    def __init__(self) -> None:
        self.open: set[OpenPage] = set()
        self.pages: set[OpenPage] = set()  # those of the open pages that got their views as they are
        self.views: dict[Key, LiveView] = {}
        self.nudged = asyncio.Event()
        self.is_over = False  # the process ends
        # Keys of the incidents that changed since the last round. An empty text means any change.
        self.changed: set[str] = set()
        self.lately: dict[str, float] = {}  # the keys of the last rounds, with the time of the round
        self.making = asyncio.Lock()
        # Searches that are new, or were slow, are made beside the rounds, so that they delay no other view.
        self.slow: dict[Key, float] = {}  # with the moment until which the search rests
        self.beside: dict[Key, asyncio.Task[None]] = {}
        self.missed: set[Key] = set()  # searches that are quick again, and have missed rounds
        self.searches = asyncio.Semaphore(SEARCHES_AT_ONCE)
        self.came: dict[Key, set[OpenPage]] = {}  # the pages that joined while their search was made
        self.looked_at = monotonic()  # time at which every row of every view was last read
        # Until when changes are looked for in the database, because announcements may be lost.
        self.polls_until = monotonic() + SETTLED_SECONDS
        self.newest: tuple[int | None, int | None] = (None, None)
        self.backlog = KEEPS_UP  # the last message about correlation
        self.backlog_told_at = monotonic()

    def refusal(self, person: int) -> Refusal | None:
        """Return why a person may not open another stream now."""
        own, most = settings.LIVE_STREAMS_PER_PERSON, settings.LIVE_STREAMS
        if sum(page.person == person for page in self.open) >= own:
            return Refusal(f"{own} browsers open", f"You have {own} browsers with live updates open already.")
        if len(self.open) >= most:
            return Refusal(f"{most} browsers open", f"{most} browsers have live updates already.")
        return None

    def split(self, queries: list[str], user: User) -> tuple[dict[Key, LiveView], list[str]]:
        """Return the views that a new stream of a person watches, and the queries that are beyond the limits."""
        known = {key for page in self.open if page.person == user.pk for key in page.views}
        wanted: dict[Key, LiveView] = {}
        beyond = []
        for query in dict.fromkeys(queries):
            key = view_key(query, user)
            is_allowed = key in known or len(known | wanted.keys()) < VIEWS_PER_PERSON
            if len(wanted) < VIEWS_AT_MOST and is_allowed:
                wanted[key] = LiveView(query, user)
            else:
                beyond.append(query)
        return wanted, beyond

    def nudge(self, incidents: str) -> None:
        self.changed |= set(incidents.split(",")) if incidents else {""}
        self.nudged.set()

    async def run(self) -> None:
        """Send pages the changes, round by round."""
        while True:
            await self._something()
            self.nudged.clear()
            began = monotonic()
            changed, self.changed = self.changed, set()
            self.lately = {key: at for key, at in self.lately.items() if began - at < LATELY}
            self.lately |= dict.fromkeys(changed, began)
            async with self.making:
                watched = {key for page in self.pages for key in page.views}
                self.views = {key: view for key, view in self.views.items() if key in watched}
                this_round = self._round(changed)
                self.slow = {key: rests for key, rests in self.slow.items() if key in self.views}
                for key in self.views:
                    if key in self.slow:
                        self._search(key)
                    else:
                        await self._refresh(key, Round() if key in self.missed else this_round)
                        self.missed.discard(key)
            for page in self.pages:
                self._tell_incidents(page, changed)
            await asyncio.sleep(rest_after(monotonic() - began))

    async def _something(self) -> None:
        """Wait for an announcement, for a change in the database while there are none, or for PING_SECONDS.

        Time alone changes views too, as when a snooze ends.
        """
        began = monotonic()
        while (left := began + PING_SECONDS - monotonic()) > 0:
            polls = monotonic() < self.polls_until
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.nudged.wait(), min(left, POLL_SECONDS) if polls else left)
            if self.nudged.is_set():
                return
            if polls and self.pages and (newest := await asyncio.to_thread(newest_change)) != self.newest:
                self.newest = newest
                self.nudge("")

    def _round(self, changed: set[str]) -> Round:
        """Return a round about the changed incidents, or from time to time about all, because names of owners change too."""
        if changed and "" not in changed and monotonic() - self.looked_at < PING_SECONDS:
            return Round(changed)
        self.looked_at = monotonic()
        return Round()

    async def _refresh(self, key: Key, this_round: Round) -> None:
        """Render a view again, and send its changes to the pages that watch it."""
        view, began = self.views[key], monotonic()
        message = await _made(view, lambda: view.refresh(this_round))
        took = monotonic() - began
        if view.is_search and took > SLOW_SECONDS:
            self.slow[key] = monotonic() + REST * took
        elif self.slow.pop(key, None) is not None:
            self.missed.add(key)
        if message is None:
            self.changed.add("")  # the next round sends what this round could not
        elif message:
            for page in self.pages:
                if key in page.views:
                    page.tell(message)

    def _search(self, key: Key) -> None:
        """Begin to make a search beside the rounds, unless it is being made or rests."""
        if key not in self.beside and monotonic() >= self.slow[key]:
            self.beside[key] = asyncio.create_task(self._make_beside(key))

    async def _make_beside(self, key: Key) -> None:
        try:
            async with self.searches:
                if key in self.views:
                    await self._refresh(key, Round())
            if view := self.views.get(key):
                for page in self.came.pop(key, ()):
                    page.tell(await _made(view, view.whole) or b"")
        finally:
            self.came.pop(key, None)
            del self.beside[key]

    @staticmethod
    def _tell_incidents(page: OpenPage, changed: set[str]) -> None:
        for incident in page.incidents & changed if "" not in changed else page.incidents:
            page.tell(f"event: incident\ndata: {incident}\n\n".encode())
        if changed and page.wants_all:
            page.tell(b"event: changed\ndata:\n\n")

    def end(self) -> None:
        """End all streams at once, because the process ends. Their browsers reconnect."""
        self.is_over = True
        for page in self.open:
            page.is_lost = True
            page.tell(b"")

    async def join(self, page: OpenPage, wanted: dict[Key, LiveView]) -> None:
        """Start a page with its views as they are now, and with the incidents that may have changed since the page was rendered."""
        async with self.making:
            for key, view in wanted.items():
                if key not in self.views:
                    self.views[key] = view
                    if view.is_search:
                        self.slow[key] = 0.0
                        self._search(key)
                    else:
                        await self._refresh(key, Round())
                if key in self.beside:
                    self.came.setdefault(key, set()).add(page)
                    continue
                page.tell(await _made(view, self.views[key].whole) or b"")
            self.pages.add(page)
            page.tell(self.backlog)
            since = monotonic() - LATELY
            self._tell_incidents(page, {key for key, at in self.lately.items() if at > since})

    def tell_backlog(self, now: backlog.Backlog) -> None:
        """Tell the pages when correlation falls behind or catches up, and from time to time how many alerts wait."""
        message = KEEPS_UP
        if now.is_behind and now.since:
            message = f"event: backlog\ndata: {now.waiting} since {now.since.isoformat()}\n\n".encode()
        has_turned = (message == KEEPS_UP) != (self.backlog == KEEPS_UP)
        is_due = message != self.backlog and monotonic() - self.backlog_told_at > PING_SECONDS
        if has_turned or is_due:
            self.backlog, self.backlog_told_at = message, monotonic()
            for page in self.pages:
                page.tell(message)


watchers = Watchers()


def rest_after(took: float) -> float:
    """Return the seconds until the next round. A round that was delayed, as by a sleeping machine, does not delay the next one."""
    return min(max(LEAST_REST, REST * took), MOST_REST)


async def _made(view: LiveView, tell: Callable[[], State]) -> bytes | None:
    """Return the message about a view: empty if nothing changed, None if the database did not answer."""

    def make() -> bytes:
        try:
            with deadline.within(deadline.REQUEST_SECONDS):
                told = tell()
        except Http404:  # its environment was deleted or became restricted
            return f"event: gone\ndata: {json.dumps(view.query)}\n\n".encode()
        finally:
            close_old_connections()
        return f"event: feed\ndata: {json.dumps({'query': view.query, **told})}\n\n".encode() if told else b""

    try:
        return await asyncio.to_thread(make)
    except Error as error:
        logger.warning("live: a view was not made, the next round tries again: %s", error)
        return None


def newest_change() -> tuple[int | None, int | None]:
    """Return the newest keys of the two tables of which each change of an incident writes one."""
    try:
        newest = (
            model._default_manager.aggregate(newest=Max("pk"))["newest"] for model in (Activity, CorrelationBatch)
        )
        return next(newest), next(newest)
    except Error as error:
        logger.warning("live: the database did not answer, the next look tries again: %s", error)
        return None, None
    finally:
        close_old_connections()


async def watch_backlog() -> None:
    """Look every few seconds whether correlation is behind. Neither the broker nor a worker is asked."""
    while True:
        if now := await asyncio.to_thread(_look_at_backlog):
            watchers.tell_backlog(now)
        await asyncio.sleep(BACKLOG_SECONDS)


def _look_at_backlog() -> backlog.Backlog | None:
    try:
        with deadline.within(deadline.REQUEST_SECONDS):
            return backlog.look()
    except Error as error:
        logger.warning("live: the backlog was not read, the next look tries again: %s", error)
        return None
    finally:
        close_old_connections()


async def listen() -> None:
    """Pass on the messages of the channel. After the broker was away, connect again and refresh all views."""
    while settings.REDIS_URL:
        try:
            async with (
                redis.asyncio.from_url(settings.REDIS_URL, **TIMEOUTS) as connection,
                connection.pubsub() as channel,
            ):
                await channel.subscribe(CHANNEL)
                async for data in _heard(channel):
                    watchers.nudge(data)
        except (redis.RedisError, OSError) as error:
            if watchers.polls_until < math.inf:
                logger.warning("live: the broker is away, changes are looked for in the database: %s", error)
            watchers.polls_until = math.inf
            await asyncio.sleep(1)


async def _heard(channel: Any) -> AsyncIterator[str]:
    """Yield the keys of each announcement, and first an empty text: much may have changed before.

    Raise an error once the broker is silent: a ping that is not answered in time.
    """
    while True:
        message = await channel.get_message(timeout=PING_BROKER_SECONDS)
        if message is None:
            await channel.ping()
            if (message := await channel.get_message(timeout=PING_BROKER_SECONDS)) is None:
                raise TimeoutError("It accepts connections and does not answer.")
        if message["type"] == "subscribe":
            watchers.polls_until = monotonic() + SETTLED_SECONDS
            yield ""
        elif message["type"] == "message":
            yield message["data"].decode()


async def stream(scope: Any, receive: Any, send: Any) -> None:
    """Send server-sent events to one signed-in browser.

    The events are `feed` for each `view` that the query string names, `incident` for each `incident`, and with `all`
    also `changed` at any change. `backlog` says whether correlation is behind. `refused` says why there are no such
    events, for a view or for the whole stream: a browser does not tell its page the status of a reply. Without a broker
    the answer is 204, which ends the browser's attempts.
    """
    try:
        asked = QueryDict(scope["query_string"])
    except SuspiciousOperation:  # too many fields
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    user = await sync_to_async(person_of)(scope)
    if user is None or not settings.REDIS_URL:
        await send({"type": "http.response.start", "status": 204 if user else 403, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if refusal := watchers.refusal(user.pk):
        again = f"retry: {REFUSED_MILLISECONDS}\n".encode()
        await send({"type": "http.response.body", "body": again + _refused(None, refusal)})
        return
    wanted, beyond = watchers.split(asked.getlist("view"), user)
    page = OpenPage(user.pk, set(wanted), set(), wants_all="all" in asked, is_lost=watchers.is_over)
    watchers.open.add(page)
    gone = asyncio.create_task(_until_disconnected(receive))
    gone.add_done_callback(lambda _: page.tell(b""))
    try:
        await _write(send, b"retry: 1000\nevent: ping\ndata:\n\n")
        for query in beyond:
            await _write(send, _refused(query, TOO_MANY_SEARCHES))
        page.incidents = await _seen(asked.getlist("incident")[:VIEWS_AT_MOST], user)
        await watchers.join(page, wanted)
        await _tell(page, gone, send, scope, user)
        soon = RECONNECT_MILLISECONDS + len(watchers.open) % 100 * 10  # not all browsers in the same moment
        last = f"retry: {soon}\n\n".encode() if watchers.is_over else b""
        await send({"type": "http.response.body", "body": last, "more_body": False})
    finally:
        watchers.open.discard(page)
        watchers.pages.discard(page)
        gone.cancel()


async def _tell(page: OpenPage, gone: asyncio.Task[None], send: Any, scope: Any, user: User) -> None:
    checked = monotonic()
    while not gone.done() and not page.is_lost:
        message = await _next(page)
        await _write(send, message or b"event: ping\ndata:\n\n")
        if monotonic() - checked > RECHECK_SECONDS:
            checked = monotonic()
            try:
                now = await sync_to_async(person_of)(scope)
            except Error as error:
                logger.warning("live: a stream ends, its browser reconnects: %s", error)
                return
            if now is None or now.role_id != user.role_id:
                return
            page.incidents = await _seen(page.incidents, user)


async def _next(page: OpenPage) -> bytes:
    """Return the next message, or an empty one when there was none for a while or the browser disconnected."""
    try:
        async with asyncio.timeout(PING_SECONDS):
            return await page.waiting.get()
    except TimeoutError:
        return b""


async def _until_disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _refused(query: str | None, refusal: Refusal) -> bytes:
    return f"event: refused\ndata: {json.dumps({'query': query, **refusal._asdict()})}\n\n".encode()


async def _write(send: Any, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _seen(incidents: Iterable[str], user: User) -> set[str]:
    def ask() -> set[str]:
        try:
            return seen_among(incidents, user)
        finally:
            close_old_connections()

    return await sync_to_async(ask)()


def seen_among(incidents: Iterable[str], user: User) -> set[str]:
    """Return the keys of the incidents that a person may see. Of the others a stream does not even tell that they changed."""
    keys = [int(key) for key in incidents if key.isdecimal() and len(key) < 19]
    return set(map(str, Incident.objects.seen_among(keys, user)))


def person_of(scope: Any) -> User | None:
    """Return the person of the session cookie. Give the database connection back at once, because a stream lasts for hours."""
    cookies = parse_cookie(dict(scope["headers"]).get(b"cookie", b"").decode("latin-1"))
    request = HttpRequest()
    request.session = session = SessionStore(cookies.get(settings.SESSION_COOKIE_NAME))
    try:
        with deadline.within(deadline.REQUEST_SECONDS):
            user = get_user(request)
            if not isinstance(user, User) or user.must_change_password:
                return None
            sessions.note_watching(session)
        return user
    finally:
        close_old_connections()
