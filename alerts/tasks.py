"""Celery's doors. Each may run twice, late, or beside itself."""

from __future__ import annotations

from celery import shared_task

from alerts import idempotency


@shared_task
def forget_replies() -> int:
    """Forget replies under idempotency keys that are kept no longer."""
    return idempotency.forget_old()
