"""A sign of life once a second, by which the supervisor knows that a process is not frozen.

The web process gives it on its event loop, workers and beat in a thread.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import suppress

from django.conf import settings

SECONDS = 1.0


def beat() -> None:
    if settings.HEARTBEAT_FD:
        with suppress(OSError):  # the supervisor is gone, or has not read for long
            os.write(settings.HEARTBEAT_FD, b".")


async def beat_on_loop() -> None:
    while True:
        beat()
        await asyncio.sleep(SECONDS)


def beat_in_thread() -> None:
    threading.Thread(target=_beat_forever, name="heartbeat", daemon=True).start()


def _beat_forever() -> None:
    while True:
        beat()
        time.sleep(SECONDS)
