"""Mails of shared incidents, sent by a task on the `deliveries` queue."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.urls import reverse
from django.utils import timezone

from alerts.events import Status
from incidents.models import Activity, Incident, ShareMail
from people.models import User
from telemetry.counts import count

logger = logging.getLogger(__name__)

SUBJECT_LIMIT = 150  # characters
LISTED = 50  # incidents in one mail
ATTEMPTS = 6
PAUSE = timedelta(minutes=1)  # between two attempts
LONGEST_SENDING = timedelta(minutes=15)  # after which a worker that sends counts as dead


def is_set_up() -> bool:
    """Return whether the console can send mail."""
    return bool(settings.EMAIL_URL)


@shared_task(name="incidents.tasks.mail_shares")
def mail_shares() -> int:
    """Send the mails that are due, and return their number.

    1. Claim a mail, so that no other worker sends it too.
    2. Send it, and delete the row. While the mail server cannot be reached, try again every minute, ATTEMPTS times in all.

    A worker that is killed between the two leaves the mail to another one. A mail may then arrive twice.
    """
    sent = 0
    for mail in ShareMail.objects.filter(due_at__lte=timezone.now()).order_by("pk"):
        own = ShareMail.objects.filter(pk=mail.pk, attempts=mail.attempts + 1)
        claimed = {"attempts": mail.attempts + 1, "due_at": timezone.now() + LONGEST_SENDING}
        if not ShareMail.objects.filter(pk=mail.pk, attempts=mail.attempts).update(**claimed):
            continue
        try:
            sent += send(mail.activities, mail.addresses, mail.site)
        except Exception as error:  # noqa: BLE001 - of the mail server, or of a mail that cannot be made: the others are sent
            logger.warning("sharing: %d mails could not be sent: %r", len(mail.addresses), error)
            count('console_deliveries_total{outcome="failed"}', len(mail.addresses))
            if mail.attempts + 1 < ATTEMPTS:
                own.update(due_at=timezone.now() + PAUSE)
                continue
        own.delete()
    return sent


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
    sent = get_connection().send_messages(mails) or 0
    count('console_deliveries_total{outcome="sent"}', sent)
    return sent


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
