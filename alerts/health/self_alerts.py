"""Self-alerts: a test alert that resolves after a minute, and an alert about a silent integration."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.utils import timezone

from alerts.events import IncomingEvent, Status, Tags
from alerts.health.doctor import rhythm
from alerts.ingest.ingest import ingest
from alerts.models import Health
from appkeys.models import AppKey
from people.models import User
from people.templatetags.console_tags import in_words

logger = logging.getLogger(__name__)
TEST_LASTS = timedelta(seconds=60)
TEST, QUIET = "console: test", "console: gone quiet"  # identifiers that no sender uses


def send_test(app_key: AppKey, *, by: User) -> None:
    """Send a test alert with this App Key through ingest. It is resolved after a minute."""
    now = timezone.now()
    description = (
        f"{by.shown_name} tests the integration {app_key.name}. It resolves by itself after {in_words(TEST_LASTS)}."
    )
    _ingest(app_key, Status.WARNING, TEST, "Test alert", description, now)
    Health.objects.update_or_create(app_key=app_key, defaults={"test_ends_at": now + TEST_LASTS})


def end_tests() -> int:
    """Resolve test alerts whose time is over. Return how many."""
    now = timezone.now()
    due = list(Health.objects.filter(test_ends_at__lte=now).select_related("app_key"))
    for health in due:
        _ingest(health.app_key, Status.OK, TEST, "Test alert", "The test is over.", now)
        # A further test that began meanwhile has another end, which stays.
        Health.objects.filter(pk=health.pk, test_ends_at=health.test_ends_at).update(test_ends_at=None)
    return len(due)


def watch_silence() -> int:
    """Raise an alert about each silent integration with this alarm, and end it after the next event.

    Return the number of changes.
    """
    now, changes = timezone.now(), 0
    watched = Health.objects.filter(alarm_when_quiet=True, app_key__deactivated_at=None, app_key__deleted_at=None)
    for health in watched.select_related("app_key"):
        found = rhythm(health.app_key, health.last_event_at, now)
        if found is None or found.longest is None:
            continue
        if found.is_quiet and health.quiet_alarm_at is None:
            words = f"Nothing for {in_words(found.silent_for)}; in the last two weeks it was never silent longer than {in_words(found.longest)}."
            _ingest(health.app_key, Status.WARNING, QUIET, "Gone quiet", words, now)
            health.quiet_alarm_at = now
        elif not found.is_quiet and health.quiet_alarm_at is not None:
            _ingest(health.app_key, Status.OK, QUIET, "Gone quiet", "It speaks again.", now)
            health.quiet_alarm_at = None
        else:
            continue
        health.save(update_fields=["quiet_alarm_at"])
        changes += 1
    return changes


def alarm_when_quiet(app_key: AppKey, wanted: bool) -> None:
    """Switch the alarm about silence on or off. Switching it off ends an active alert."""
    health, _ = Health.objects.update_or_create(app_key=app_key, defaults={"alarm_when_quiet": wanted})
    if not wanted and health.quiet_alarm_at:
        _ingest(
            app_key, Status.OK, QUIET, "Gone quiet", "Nobody wants to hear of its silence any more.", timezone.now()
        )
        Health.objects.filter(pk=app_key.pk).update(quiet_alarm_at=None)


def _ingest(app_key: AppKey, status: Status, identifier: str, check: str, description: str, at: datetime) -> None:
    tags: Tags = {"service": app_key.name, "check": check, "description": description}
    event = IncomingEvent.of(
        status=status, tags=tags, primary_property="service", secondary_property="check", incident_identifier=identifier
    )  # fmt: skip
    ingest([(app_key, event)], received_at=at)
    logger.info("self-alert: %s of %s is %s", check, app_key.source_system, status.label)
