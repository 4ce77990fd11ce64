"""A thread of each worker process that looks into the database for alerts that are behind (docs/how-it-works.md §4.1).

Messages make correlation quick. This thread makes it certain, because it needs neither a broker nor the process that
usually correlates.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import Error, close_old_connections

from db.connections import keep_own
from incidents.correlation import worker
from telemetry import counts

logger = logging.getLogger(__name__)
POLL_SECONDS = 1.0
PATIENCE = 1.0  # seconds that the first alert behind stays the same before the process that takes messages correlates
PATIENCE_OF_OTHERS = 8.0  # … before another worker process takes over


def start(*, patience: float) -> None:
    threading.Thread(target=_run, args=(patience,), name="correlation-poll", daemon=True).start()


def _run(patience: float) -> None:
    keep_own()
    first, since, was_away = None, time.monotonic(), False
    while True:
        time.sleep(POLL_SECONDS)
        try:
            found = worker.first_behind()
            if found is None:
                counts.tick(worker.TICK)
            if found != first:
                first, since = found, time.monotonic()
            elif found and time.monotonic() - since >= patience:
                worker.correlate_behind()
            was_away = False
        except Error as error:
            if not was_away:
                logger.warning("correlation: the database did not answer, the next look tries again: %s", error)
            was_away = True
        except Exception:
            # As Celery does with a task: one alert that cannot be correlated must not end the thread.
            logger.exception("correlation: a round failed, the next look tries again")
        finally:
            close_old_connections()
