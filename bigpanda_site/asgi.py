"""The web process: live streams and the fast path run as coroutines, and all other requests run in Django's WSGI handler in a pool of threads.

Django's ASGI handler costs six to ten times as much as its WSGI handler, and a stream would occupy a thread there
(docs/how-it-works.md §3.2).
"""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

from a2wsgi import WSGIMiddleware

from bigpanda_site.wsgi import application as pages  # isort: skip - sets Django up, so it comes first

from alerts.fast_path.fast_path import FastPath
from alerts.payload import LIMIT
from bigpanda_site import live_stream

THREADS = 8
# Requests in flight are thousands of objects, and hardly any of them is part of a cycle. Python's default of 700 collects far too often.
YOUNG_OBJECTS = 10_000
TURN_SECONDS = 0.001  # how long a thread may delay the event loop; Python's 5 ms are the time of fifty requests
_pages = WSGIMiddleware(pages, workers=THREADS)  # type: ignore[arg-type]
fast_path = FastPath(_pages)


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "http" and scope["path"] == live_stream.PATH:
        await live_stream.stream(scope, receive, send)
    elif scope["type"] == "http":
        await _pages(*await _with_length(scope, receive), send)


async def _with_length(scope: Any, receive: Any) -> tuple[Any, Any]:
    """Read a chunked body and add its length to the headers, because WSGI reads no body without a length."""
    if not any(name == b"transfer-encoding" for name, _ in scope["headers"]):
        return scope, receive
    body, more = b"", True
    while more and len(body) <= LIMIT:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> Any:
        return next(messages, {"type": "http.disconnect"})

    return scope | {"headers": [*scope["headers"], (b"content-length", str(len(body)).encode())]}, replay


async def _live(receive: Any, send: Any) -> None:
    """Run the background work of the process from the server's start to its end."""
    await receive()
    live = [asyncio.create_task(live_stream.listen()), asyncio.create_task(live_stream.watchers.run())]
    gc.collect()
    gc.freeze()  # the loaded program is never garbage; examining it would delay a hundred requests
    gc.set_threshold(YOUNG_OBJECTS)
    sys.setswitchinterval(TURN_SECONDS)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    for task in live:
        task.cancel()
    await fast_path.close()
    await send({"type": "lifespan.shutdown.complete"})
