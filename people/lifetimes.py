"""Lifetimes of keys and tokens."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime

LIFETIMES = {"6": "6 months", "12": "12 months", "24": "24 months"}  # docs/wire-contract.md §7.3
NEVER = "never"
A_YEAR = "12"


def months_after(start: datetime, months: int) -> datetime:
    """Return the same day that many months later, or the last day of a shorter month."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1, day=min(start.day, monthrange(year, month + 1)[1]))
