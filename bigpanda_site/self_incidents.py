"""Alerts of the console about itself, with CONSOLE_SELF_INCIDENTS (docs/monitoring.md).

A thread of a web process decides and stores them, so they need neither a worker nor beat nor the broker. Correlation
makes incidents of them as of other alerts. If it stands still, it does so as soon as it runs again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import Error, close_old_connections
from django.utils import timezone

from alerts.events import IncomingEvent, Status
from alerts.ingest.ingest import ingest
from alerts.models import Alert
from appkeys.models import AppKey
from bigpanda_site import readiness
from db import deadline
from incidents.correlation import backlog
from telemetry import publisher

logger = logging.getLogger(__name__)
NAME = "This console"
EVERY_SECONDS = 10.0
START_SECONDS = 60.0  # after a start, until every loop has run once
LOG = "Its log says why it ended."


class Fault(NamedTuple):
    """The title of an incident about the console, with what the fault means and what to do."""

    title: str
    advice: str


# By the part that `/readyz` names, and the backlog, which the bar of every page tells. A database that cannot be
# written is missing, because no alert can be stored then.
BACKLOG = "backlog"
FAULTS = {
    BACKLOG: Fault(
        "Correlation is behind",
        "Alerts wait for more than 30 seconds. New alerts are stored and nothing is lost, but incidents show them late. "
        "/readyz says whether correlation runs. If it does, it catches up, and the bar of every page shows how many "
        "alerts wait.",
    ),
    "correlation": Fault(
        "Correlation does not run",
        f"New alerts are stored and nothing is lost, but incidents do not show them. Start the worker again. {LOG}",
    ),
    "beat": Fault(
        "Beat does not run",
        f"Snoozed incidents do not wake, and periodic work is not done. Start it again. {LOG}",
    ),
    "actions": Fault(
        "The queue of actions stands still",
        f"Actions on many incidents wait, and snoozed incidents do not wake. Start the worker again. {LOG}",
    ),
    "jobs": Fault(
        "The queue of jobs stands still",
        f"Replays, suggestions and cleaning up wait. Start the worker again. {LOG}",
    ),
    "broker": Fault(
        "The broker does not answer",
        "Alerts are stored and correlated meanwhile; actions on many incidents and mails wait. Start Redis again, or "
        "correct REDIS_URL.",
    ),
    "migrations": Fault(
        "The database lacks migrations",
        "Pages and alerts that need them fail.",
    ),
}  # fmt: skip


async def watch() -> None:
    """Look every few seconds, if the setting asks for it."""
    if not settings.SELF_INCIDENTS:
        return
    watching = Watch()
    await asyncio.sleep(START_SECONDS)
    while True:
        await asyncio.to_thread(_look, watching)
        await asyncio.sleep(EVERY_SECONDS)


def _look(watching: Watch) -> None:
    try:
        with deadline.within(deadline.REQUEST_SECONDS):
            watching.look()
    finally:
        close_old_connections()


class Watch:
    """The looks of one web process.

    What is active stands in the database, so a restart forgets nothing, and several processes tell a fault once.
    """

    def __init__(self) -> None:
        self._before: set[str] = set()  # the parts that the last look found
        self._is_failing = False

    def look(self) -> int:
        """Send what has changed, and return the number of alerts. Log only the first failure in a row."""
        try:
            number = self._send_changes()
            self._is_failing = False
        except (Error, ValidationError) as error:
            if not self._is_failing:
                logger.warning("self incidents: not sent, the next look tries again: %s", error)
            self._is_failing = True
            return 0
        except Exception:
            logger.exception("self incidents: the next look tries again")
            return 0
        return number

    def _send_changes(self) -> int:
        """Send `critical` for each fault that two looks in a row found, and `ok` for each that is over.

        One process speaks, because processes can see different things: only one of them may reach the broker.
        """
        found = _find()
        if found is None:
            return 0
        lasting, self._before = found.keys() & self._before, set(found)
        if not publisher.is_first_of_its_kind():
            return 0
        app_key = _app_key()
        if not app_key.is_active:
            return 0
        active = _active(app_key)
        events = [
            *(_event(part, Status.CRITICAL, f"{found[part]} {FAULTS[part].advice}") for part in lasting - active),
            *(_event(part, Status.OK, "It is over.") for part in active - found.keys()),
        ]
        if events:
            ingest([(app_key, event) for event in events], received_at=timezone.now())
        for event in events:
            logger.warning("self incidents: %s is %s", event.primary_value, Status(event.status).label)
        return len(events)


def _find() -> dict[str, str] | None:
    """Return what is wrong by part, or None where no alert can be stored."""
    found = {problem.part: problem.text for problem in readiness.problems()}
    if "database" in found:
        return None
    if not settings.REDIS_URL:
        # Each sender correlates, so the alert about a stopped worker would end the fault, again and again.
        found.pop("correlation", None)
    if backlog.current().is_behind:
        found[BACKLOG] = ""
    return found


def _app_key() -> AppKey:
    app_key = AppKey.objects.filter(tool=AppKey.THIS_CONSOLE).first()
    if app_key is None:
        try:
            # Two consoles may start at once. The name lets one of them make it.
            app_key, _ = AppKey.issue(name=NAME, tool=AppKey.THIS_CONSOLE)
        except ValidationError as refusal:
            text = f"Rename the integration {NAME}, because the console makes its own of that name: {refusal.messages}"
            raise ValidationError(text) from refusal
    return app_key


def _active(app_key: AppKey) -> set[str]:
    """Return the parts that have an active alert."""
    parts = {_event(part, Status.OK, "").identity(app_key.pk): part for part in FAULTS}
    current = Alert.objects.filter(identity__in=parts, is_current=True).exclude(status=Status.OK)
    return {parts[identity.hex] for identity in current.values_list("identity", flat=True)}


def _event(part: str, status: Status, description: str) -> IncomingEvent:
    return IncomingEvent.of(
        status=status,
        tags={"fault": FAULTS[part].title, "description": description.strip()},
        primary_property="fault",
        incident_identifier=f"console: {part}",  # stays when a title changes
    )
