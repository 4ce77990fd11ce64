"""Tasks on the `actions` queue, and the mails of shared incidents on the `deliveries` queue.

Each task is safe to run twice, late, or beside itself. `mail_shares` is the exception: run twice, it sends its mails twice.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task

from incidents import actions
from incidents.actions import bulk, share_mail

logger = logging.getLogger(__name__)


@shared_task(name="incidents.tasks.wake_snoozed")
def wake_snoozed() -> int:
    """End the snooze of incidents whose time has come."""
    return actions.wake_those_due()


@shared_task(name="incidents.tasks.run_bulk")
def run_bulk(pk: int) -> None:
    """Carry out a bulk action, or undo it."""
    bulk.run(pk)


@shared_task(name="incidents.tasks.run_bulks_at_work")
def run_bulks_at_work() -> int:
    """Continue bulk actions that a lost message or a killed worker left unfinished."""
    return bulk.run_those_at_work()


@shared_task(name="incidents.tasks.mail_shares", bind=True, max_retries=5, default_retry_delay=60)
def mail_shares(task: Any, activities: list[int], addresses: list[str], site: str) -> int:
    """Send the mails of shared incidents. Retry five times while the mail server cannot be reached."""
    try:
        return share_mail.send(activities, addresses, site)
    except OSError as error:  # all errors of a mail server derive from it
        logger.warning("sharing: %d mails could not be sent: %s", len(addresses), error)
        if task.request.is_eager:
            return 0  # without a broker there is nobody to retry
        raise task.retry(exc=error) from error
