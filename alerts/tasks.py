"""Celery's doors. Each may run twice, late, or beside itself."""

from __future__ import annotations

from celery import shared_task

from alerts import care, idempotency, inbox, kept_requests


@shared_task
def forget_replies() -> int:
    """Forget replies under idempotency keys that are kept no longer."""
    return idempotency.forget_old()


@shared_task
def forget_samples() -> int:
    """Forget requests that are kept no longer: samples of refused ones, and those that events came with."""
    return inbox.forget_old() + kept_requests.forget_old()


@shared_task
def end_tests() -> int:
    """Resolve test alerts whose minute is over."""
    return care.end_tests()


@shared_task
def watch_silence() -> int:
    """Miss the integrations that have gone quiet."""
    return care.watch_silence()
