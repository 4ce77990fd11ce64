"""Tasks on the `correlation` queue. Each task is safe to run twice, late, or beside itself."""

from __future__ import annotations

from celery import shared_task

from incidents.correlation import worker


@shared_task(name="incidents.tasks.correlate_behind")
def correlate_behind() -> int:
    """Correlate the alerts that are behind. Ingest sends this task, and a periodic sweep replaces lost messages."""
    return worker.correlate_behind()


@shared_task(name="incidents.tasks.calm_down")
def end_flapping() -> int:
    """End the flapping of incidents whose alerts no longer flap."""
    return worker.end_flapping()
