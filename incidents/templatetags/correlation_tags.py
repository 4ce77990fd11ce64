"""The bar that says that correlation is behind."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template

from incidents.correlation import backlog, worker
from telemetry import publisher

register = template.Library()
STOPPED_AFTER = 60  # seconds
LONG = timedelta(hours=12)  # a clock time alone would not tell the day


@register.inclusion_tag("components/_behind.html")
def behind_bar() -> dict[str, Any]:
    """Render the bar, or nothing while correlation keeps up."""
    return behind_context()


@register.simple_tag
def behind_since() -> datetime | None:
    """Return since when correlation is behind, or None while it keeps up."""
    now = backlog.current()
    return now.since if now.is_behind else None


def behind_context() -> dict[str, Any]:
    now = backlog.current()
    if not now.is_behind:
        return {"backlog": None}
    ran = publisher.last_tick(worker.TICK)
    return {
        "backlog": now,
        "show": "exact" if now.age > LONG else "clock",
        "ran_at": datetime.fromtimestamp(ran, UTC) if ran else None,
        "is_running": ran is not None and time.time() - ran < STOPPED_AFTER,
    }
