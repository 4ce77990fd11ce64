"""Celery's doors. Each may run twice, late, or beside itself."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task

from incidents import correlator, environments, lifecycle, runs, search_texts, shadow, sharing
from incidents.lifecycle import bulk
from incidents.models import ReplayRun, SuggestionRun

logger = logging.getLogger(__name__)


@shared_task
def correlate_behind() -> int:
    """Correlate what is behind: sent after each ingest as "there is work", and by the sweep for what a lost message left."""
    return correlator.correlate_behind()


@shared_task
def wake_snoozed() -> int:
    """Bring back the incidents whose snooze is over."""
    return lifecycle.wake_those_due()


@shared_task
def place_incidents() -> None:
    """Put every incident into the environments whose query is new: sent when one is saved, and again where that was lost on the way."""
    environments.place_all()


@shared_task
def replay(pk: int) -> None:
    """Carry out a ReplayRun."""
    runs.replay_run(pk)


@shared_task
def take_up_runs() -> None:
    """Carry out what was asked for where the message was lost or the worker killed."""
    for pk in runs.waiting(ReplayRun).values_list("pk", flat=True):
        runs.replay_run(pk)
    for pk in runs.waiting(SuggestionRun).values_list("pk", flat=True):
        runs.suggestion_run(pk)


@shared_task
def suggest(pk: int) -> None:
    """Carry out a SuggestionRun."""
    runs.suggestion_run(pk)


@shared_task
def follow_shadows() -> None:
    """Let the rules that run in the shadow of the live ones follow what came since."""
    shadow.follow_all()


@shared_task
def calm_down() -> int:
    """End the flapping of incidents none of whose alerts flaps any more."""
    return correlator.calm_down()


@shared_task(bind=True, max_retries=5, default_retry_delay=60)
def mail_shares(task: Any, activities: list[int], addresses: list[str], site: str) -> int:
    """Send the mails of what was shared. Where the mail server cannot be had it is tried again, five times; run twice it is sent twice."""
    try:
        return sharing.send(activities, addresses, site)
    except OSError as error:  # all that a mail server's refusals are
        logger.warning("sharing: %d mails could not be sent: %s", len(addresses), error)
        if task.request.is_eager:
            return 0  # nobody waits for another try
        raise task.retry(exc=error) from error


@shared_task
def forget_search_texts() -> int:
    """Forget what a search among open incidents reads of those that are over."""
    return search_texts.forget()


@shared_task
def run_bulk(pk: int) -> None:
    """Do a bulk action, or undo it."""
    bulk.run(pk)


@shared_task
def run_bulks_at_work() -> int:
    """Go on with bulk actions that a lost message or a killed worker left half-way."""
    return bulk.run_those_at_work()
