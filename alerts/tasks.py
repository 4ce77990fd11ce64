"""Celery's doors. Each may run twice, late, or beside itself."""

from __future__ import annotations

from celery import shared_task

from alerts.api import idempotency
from alerts.health import inbox, request_log, self_alerts


@shared_task(name="alerts.tasks.forget_replies")
def forget_replies() -> int:
    """Forget replies under idempotency keys that are kept no longer."""
    return idempotency.forget_old()


@shared_task(name="alerts.tasks.forget_samples")
def forget_samples() -> int:
    """Forget requests that are kept no longer: samples of refused ones, and those that events came with."""
    return inbox.forget_old() + request_log.forget_old()


@shared_task(name="alerts.tasks.end_tests")
def end_tests() -> int:
    """Resolve test alerts whose minute is over."""
    return self_alerts.end_tests()


@shared_task(name="alerts.tasks.watch_silence")
def watch_silence() -> int:
    """Miss the integrations that have gone quiet."""
    return self_alerts.watch_silence()
