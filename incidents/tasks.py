"""Celery's doors. Each may run twice, late, or beside itself."""

from __future__ import annotations

from celery import shared_task

from incidents import correlator


@shared_task
def correlate_behind() -> int:
    """Correlate what is behind: sent after each ingest as "there is work", and by the sweep for what a lost message left."""
    return correlator.correlate_behind()
