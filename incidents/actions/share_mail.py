"""Mails of shared incidents, sent by a task on the `deliveries` queue."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from typing import Any

from celery import shared_task
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.urls import reverse
from django.utils import timezone

from alerts.events import Status
from incidents.models import Activity, Incident
from people.models import User

logger = logging.getLogger(__name__)

SUBJECT_LIMIT = 150  # characters
LISTED = 50  # incidents in one mail


def is_set_up() -> bool:
    """Return whether the console can send mail."""
    return bool(settings.EMAIL_URL)


@shared_task(name="incidents.tasks.mail_shares", bind=True, max_retries=5, default_retry_delay=60)
def mail_shares(task: Any, activities: list[int], addresses: list[str], site: str) -> int:
    """Send the mails of shared incidents. Retry five times while the mail server cannot be reached.

    The task is not safe to run twice: each run sends its mails.
    """
    try:
        return send(activities, addresses, site)
    except OSError as error:  # all errors of a mail server derive from it
        logger.warning("sharing: %d mails could not be sent: %s", len(addresses), error)
        if task.request.is_eager:
            return 0  # without a broker nothing can retry
        raise task.retry(exc=error) from error


def send(activities: Collection[int], addresses: Collection[str], site: str) -> int:
    """Send each address a mail of its own about shared incidents, and return the number of mails.

    No address sees the others. An incident whose sharing was undone is left out. So is one that the sharing person may
    not see any more, and in a mail to a user of the console one that this user may not see.
    """
    found = Activity.objects.filter(pk__in=activities, undone_at=None).select_related("incident", "by").order_by("pk")
    shares = _visible_to(list(found), found[0].by) if found else []
    if not shares or not is_set_up():
        return 0
    users = {user.email.casefold(): user for user in User.objects.filter(is_active=True).exclude(email="")}
    mails = []
    for address in addresses:
        user = users.get(address.casefold())
        if shown := _visible_to(shares, user) if user else shares:
            mails.append(EmailMessage(_subject(shown), "\n".join(_lines(shown, site)), to=[address]))
    return get_connection().send_messages(mails) or 0


def _visible_to(shares: list[Activity], user: User | None) -> list[Activity]:
    """Return the shares of the incidents that a user may see."""
    seen = Incident.objects.seen_among([share.incident_id for share in shares], user)
    return [share for share in shares if share.incident_id in seen]


def _subject(shares: list[Activity]) -> str:
    # A header is one line, and a title from a sender can have several.
    first = f"{_status(shares[0].incident)}: {' '.join(shares[0].incident.title.split())}"
    more = f" and {len(shares) - 1:,} more" if len(shares) > 1 else ""
    return first[:SUBJECT_LIMIT] + more


def _lines(shares: list[Activity], site: str) -> Iterator[str]:
    by = shares[0].by.shown_name if shares[0].by else "Somebody"
    yield f"{by} shares {'an incident' if len(shares) == 1 else f'{len(shares):,} incidents'} with you."
    if shares[0].comment:
        yield f"\n{shares[0].comment}"
    for share in shares[:LISTED]:
        incident = share.incident
        started = timezone.localtime(incident.started_at)
        yield f"\n{_status(incident)}: {incident.title}"
        if incident.subtitle:
            yield incident.subtitle
        yield f"{incident.active_count:,} of {incident.alerts_count:,} alerts active, since {started:%Y-%m-%d %H:%M} {started:%Z}"
        yield site + reverse("incidents:detail", args=[incident.pk])
    if len(shares) > LISTED:
        yield f"\nAnd {len(shares) - LISTED:,} more."


def _status(incident: Incident) -> str:
    if not incident.is_open:
        return "Resolved"
    return "In maintenance" if incident.is_in_maintenance else Status(incident.status).label.capitalize()
