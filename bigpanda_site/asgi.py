"""The web process: live streams and the express lane as coroutines, everything else through Django's WSGI handler in a small pool of threads.

Django's own ASGI handler costs six to ten times its WSGI handler, and a stream would own a thread there (docs/how-it-works.md §3.2).
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
# Requests in flight are thousands of objects, and hardly any of them is part of a cycle: Python's 700 would have it look all the time.
YOUNG_OBJECTS = 10_000
TURN_SECONDS = 0.001  # of a thread beside the loop; Python's own 5 ms are what fifty requests take
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
    """WSGI knows no body without a length: a chunked one is read here, to say how long it is."""
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
    """What runs beside the requests, from the server's start to its end."""
    await receive()
    live = [asyncio.create_task(live_stream.listen()), asyncio.create_task(live_stream.watchers.run())]
    gc.collect()
    gc.freeze()  # the program itself is no garbage: looking through all of it now and then would hold up a hundred requests
    gc.set_threshold(YOUNG_OBJECTS)
    sys.setswitchinterval(TURN_SECONDS)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    for task in live:
        task.cancel()
    await fast_path.close()
    await send({"type": "lifespan.shutdown.complete"})
