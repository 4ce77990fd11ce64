"""Tasks of Celery. A task may run twice, late, or at the same time as itself."""

from __future__ import annotations

from celery import shared_task

from alerts.api import idempotency
from alerts.health import inbox, request_log, self_alerts


@shared_task(name="alerts.tasks.forget_replies")
def forget_replies() -> int:
    """Delete old replies to requests with idempotency keys."""
    return idempotency.forget_old()


@shared_task(name="alerts.tasks.forget_samples")
def forget_samples() -> int:
    """Delete old samples of rejected requests, and old requests of the request log."""
    return inbox.forget_old() + request_log.forget_old()


@shared_task(name="alerts.tasks.end_tests")
def end_tests() -> int:
    """Resolve test alerts after their minute."""
    return self_alerts.end_tests()


@shared_task(name="alerts.tasks.watch_silence")
def watch_silence() -> int:
    """Raise alerts about silent integrations."""
    return self_alerts.watch_silence()
