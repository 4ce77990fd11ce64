"""Tasks on the `actions` queue that place incidents. Each task is safe to run twice, late, or beside itself."""

from __future__ import annotations

from celery import shared_task

from incidents.environments import placement


@shared_task(name="incidents.tasks.place_incidents")
def place_incidents() -> None:
    """Place every incident into the environments whose query is new. A periodic run replaces lost messages."""
    placement.place_unplaced()
