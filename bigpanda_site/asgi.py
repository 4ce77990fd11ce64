"""The web process: live streams as coroutines, everything else through Django's WSGI handler in a small pool of threads.

Django's own ASGI handler costs six to ten times its WSGI handler, and a stream would own a thread there (reference: performance, ecosystem §3).
"""

from __future__ import annotations

from typing import Any

from a2wsgi import WSGIMiddleware

from bigpanda_site.wsgi import application as pages  # sets Django up, so it comes first

from alerts.express import ExpressLane  # isort: skip
from bigpanda_site import streams  # isort: skip

THREADS = 8
_pages = WSGIMiddleware(pages, workers=THREADS)
_express_lane = ExpressLane(_pages)


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await streams.lifespan(receive, send)
    elif scope["type"] == "http" and scope["path"] == streams.PATH:
        await streams.stream(scope, receive, send)
    elif scope["type"] == "http" and _express_lane.takes(scope):
        await _express_lane(scope, receive, send)
    elif scope["type"] == "http":
        await _pages(scope, receive, send)
