"""Live updates: one subscription per web process, one open stream per page (ecosystem §3).

A stream carries no data, only "something changed"; the page then fetches what its user may see. So a stream needs no
database and no session of its own beyond the check at its start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import close_old_connections
from django.http import HttpRequest, parse_cookie

from incidents.live import CHANNEL

logger = logging.getLogger(__name__)
PATH = "/live"
PING_SECONDS = 15
THROTTLE_SECONDS = 0.25  # a storm nudges a page four times a second at most

_pages: set[asyncio.Event] = set()


async def listen() -> None:
    """Wake every open page when the channel speaks; connect again when the broker was gone, and wake them then too."""
    while settings.REDIS_URL:
        try:
            async with redis.asyncio.from_url(settings.REDIS_URL) as connection, connection.pubsub() as channel:
                await channel.subscribe(CHANNEL)
                async for _ in channel.listen():
                    for page in _pages:
                        page.set()
        except (redis.RedisError, OSError) as error:
            logger.warning("live: the broker is away, pages poll: %s", error)
            await asyncio.sleep(1)


async def stream(scope: Any, receive: Any, send: Any) -> None:
    """Server-sent events for one signed-in page: `changed` at each change, a comment every 15 s.

    Where there is no broker, 204 ends the page's attempts.
    """
    signed_in = await sync_to_async(_is_signed_in)(scope)
    if not signed_in or not settings.REDIS_URL:
        await send({"type": "http.response.start", "status": 204 if signed_in else 403, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    page = asyncio.Event()
    _pages.add(page)
    gone = asyncio.create_task(_gone(receive))
    try:
        await _write(send, b"retry: 1000\nevent: changed\ndata:\n\n")
        while not gone.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_either(page, gone), PING_SECONDS)
            changed = page.is_set()
            page.clear()
            await _write(send, b"event: changed\ndata:\n\n" if changed else b": still here\n\n")
            await asyncio.sleep(THROTTLE_SECONDS)
    finally:
        _pages.discard(page)
        gone.cancel()


async def _either(page: asyncio.Event, gone: asyncio.Task[None]) -> None:
    waiter = asyncio.ensure_future(page.wait())
    try:
        await asyncio.wait({waiter, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiter.cancel()


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send: Any, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


def _is_signed_in(scope: Any) -> bool:
    """Whether the stream's cookie belongs to a person who may sign in. Its connection goes back at once: a stream lasts for hours."""
    cookies = parse_cookie(dict(scope["headers"]).get(b"cookie", b"").decode("latin-1"))
    request = HttpRequest()
    request.session = SessionStore(cookies.get(settings.SESSION_COOKIE_NAME))
    try:
        return bool(get_user(request).is_authenticated)
    finally:
        close_old_connections()
