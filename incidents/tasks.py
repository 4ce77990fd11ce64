"""Celery's doors. Each may run twice, late, or beside itself."""

from __future__ import annotations

from celery import shared_task

from incidents import correlator, lifecycle


@shared_task
def correlate_behind() -> int:
    """Correlate what is behind: sent after each ingest as "there is work", and by the sweep for what a lost message left."""
    return correlator.correlate_behind()


@shared_task
def wake_snoozed() -> int:
    """Bring back the incidents whose snooze is over."""
    return lifecycle.wake_those_due()
