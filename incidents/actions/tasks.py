"""Tasks of actions on the `actions` queue. Each task is safe to run twice, late, or beside itself."""

from __future__ import annotations

from celery import shared_task

from incidents.actions import bulk
from incidents.actions.handling import wake_those_due


@shared_task(name="incidents.tasks.wake_snoozed")
def wake_snoozed() -> int:
    """End the snooze of incidents whose time has come."""
    return wake_those_due()


@shared_task(name="incidents.tasks.run_bulk")
def run_bulk(pk: int) -> None:
    """Carry out a bulk action, or undo it."""
    bulk.run(pk)


@shared_task(name="incidents.tasks.run_bulks_at_work")
def run_bulks_at_work() -> int:
    """Continue bulk actions that a lost message or a killed worker left unfinished."""
    return bulk.run_those_at_work()
