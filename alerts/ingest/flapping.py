"""Flapping: an alert changes its status more often than the settings allow (docs/wire-contract.md §3.7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from alerts.ingest.projection import CHANGES_KEPT, EPOCH


def flaps_until(changes: Sequence[int]) -> datetime | None:
    """Return when an alert stops flapping unless its status changes again, or None if it never flapped.

    `changes` are the times of its status changes in microseconds since 1970, the latest last. The times are the events'
    own, so that a backlog that arrives late does not make an alert flap now.
    """
    needed = min(settings.FLAPPING_CHANGES + 1, CHANGES_KEPT)
    return _moment(changes[-needed]) + settings.FLAPPING_WINDOW if len(changes) >= needed else None


def changes_since(changes: Sequence[int], at: datetime) -> int:
    """Return the number of changes after a moment."""
    return sum(_moment(change) > at for change in changes)


def _moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
