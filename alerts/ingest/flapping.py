"""What flaps: an alert whose status changed more often within a while than the settings allow (docs/wire-contract.md §3.7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from alerts.ingest.projection import CHANGES_KEPT, EPOCH


def flaps_until(changes: Sequence[int]) -> datetime | None:
    """When an alert with these changes of status stops flapping by itself, unless another one comes; None where there are too few.

    `changes` are in microseconds since 1970, the latest last. By the alert's own time, so that a backlog that is taken late does not flap now.
    """
    needed = min(settings.FLAPPING_CHANGES + 1, CHANGES_KEPT)
    return moment(changes[-needed]) + settings.FLAPPING_WINDOW if len(changes) >= needed else None


def changes_since(changes: Sequence[int], at: datetime) -> int:
    """How many of them came after that moment."""
    return sum(moment(change) > at for change in changes)


def moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
