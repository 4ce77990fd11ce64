"""Beat, which sends the periodic tasks, with a note of each round for `/readyz`."""

from __future__ import annotations

from typing import Any

from celery.beat import PersistentScheduler

from telemetry import counts


class Scheduler(PersistentScheduler):  # type: ignore[misc] # Celery has no types
    """Celery's scheduler, which notes that it is alive."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        seconds: float = super().tick(*args, **kwargs)
        counts.tick("beat")
        return seconds
