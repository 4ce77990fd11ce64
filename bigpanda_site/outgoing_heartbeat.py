"""A request to an outside service once a minute, as long as the console is ready. The service raises the alarm when it stops.

The thread runs beside beat, so it needs no broker. docs/monitoring.md describes the setting.
"""

from __future__ import annotations

import logging
import threading
import time
import urllib.error
import urllib.request

from django.conf import settings
from django.db import close_old_connections

from bigpanda_site import readiness

logger = logging.getLogger(__name__)
EVERY_SECONDS = 60.0
TIMEOUT = 10.0  # seconds
_is_failing = False


def start() -> None:
    if settings.HEARTBEAT_URL:
        threading.Thread(target=_run, name="outgoing-heartbeat", daemon=True).start()


def _run() -> None:
    while True:
        time.sleep(EVERY_SECONDS)
        try:
            send()
        except Exception:
            logger.exception("heartbeat: the next minute tries again")
        finally:
            close_old_connections()


def send() -> bool:
    """Fetch CONSOLE_HEARTBEAT_URL if the console is ready. Return whether that was done. Log only the first failure in a row."""
    global _is_failing
    if found := readiness.problems():
        logger.warning(
            "heartbeat: not sent, because the console is not ready: %s", ", ".join(each.part for each in found)
        )
        return False
    request = urllib.request.Request(settings.HEARTBEAT_URL, headers={"User-Agent": "incident-console"})  # noqa: S310 - an operator's own address
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT).close()  # noqa: S310
    except (urllib.error.URLError, OSError) as error:
        if not _is_failing:  # the address may hold a secret, so the log does not name it
            logger.warning("heartbeat: the service does not answer: %s", error)
        _is_failing = True
        return False
    _is_failing = False
    return True
