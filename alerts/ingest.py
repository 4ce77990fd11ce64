"""From events to alerts: identity, duplicates, order, reopening (bigpanda.md §2, engine.md). Every accepted event is committed on return."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, OperationalError, transaction

from alerts.events import IncomingEvent, Status
from alerts.lives import Life
from alerts.models import Alert, Event
from appkeys.models import AppKey

logger = logging.getLogger(__name__)
ATTEMPTS = 8
IDENTITIES_PER_QUERY = 10_000


class Outcome(Enum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


class Contested(Exception):
    """Another writer changed one of our alerts between our look-up and our write."""


def ingest(sent: Sequence[tuple[AppKey, IncomingEvent]], *, received_at: datetime) -> list[Outcome]:
    """Take events in the order given; returns what became of each, in that order.

    1. Look up the current life of every identity.
    2. Take the events one by one: drop duplicates, update, reopen, begin a new life.
    3. Write new and changed alerts and the events, in one transaction, with a mark that correlation is behind.
    4. After the commit, say once that there is work.

    Safe beside other writers: an alert is written only in the revision it was read in, and a new life only where no other is current;
    where writers met, all begins anew.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return _attempt(sent, received_at)
        except (Contested, IntegrityError, OperationalError) as error:
            if attempt == ATTEMPTS or (isinstance(error, OperationalError) and "deadlock" not in str(error)):
                raise
            logger.info("ingest: writers met (%s), attempt %d of %d", type(error).__name__, attempt, ATTEMPTS)
    raise AssertionError("the loop above returns or raises")


def _attempt(sent: Sequence[tuple[AppKey, IncomingEvent]], received_at: datetime) -> list[Outcome]:
    identities = [event.identity(app_key.pk) for app_key, event in sent]
    batch = _Batch(identities, received_at)
    outcomes = [batch.take(app_key, identity, event) for (app_key, event), identity in zip(sent, identities, strict=True)]
    if changed := batch.changed():
        _write(changed)
        AppKey.note_first_event({app_key.pk for app_key, _ in sent if app_key.first_event_at is None}, at=received_at)
        transaction.on_commit(_say_there_is_work, robust=True)
    return outcomes


class _Batch:
    """The lives of the identities of one batch, newest last, while its events are taken."""

    def __init__(self, identities: list[UUID], received_at: datetime) -> None:
        self.received_at = received_at
        wanted = list(set(identities))
        self.lives: dict[UUID, list[Life]] = {
            alert.identity: [Life.of(alert)]
            for start in range(0, len(wanted), IDENTITIES_PER_QUERY)
            for alert in Alert.objects.filter(identity__in=wanted[start : start + IDENTITIES_PER_QUERY], is_current=True)
        }

    def changed(self) -> list[Life]:
        return [life for lives in self.lives.values() for life in lives if life.is_changed]

    def take(self, app_key: AppKey, identity: UUID, event: IncomingEvent) -> Outcome:
        lives = self.lives.setdefault(identity, [])
        if not lives or self._begins_anew(lives[-1], event):
            lives.append(Life.begin(app_key, identity, event, self.received_at, after=lives[-1] if lives else None))
            return Outcome.ACCEPTED
        life = self._life_of(lives, event)
        return Outcome.ACCEPTED if life.take(event, self.received_at) else Outcome.DUPLICATE

    def _begins_anew(self, life: Life, event: IncomingEvent) -> bool:
        """Whether the event is the newest, active, and later after the end than the reopen window allows (bigpanda.md §2.5)."""
        if life.ended_at is None or event.status == Status.OK:
            return False
        at = event.occurred_at or self.received_at
        return at > life.last_event_at and at - life.ended_at > settings.REOPEN_WINDOW

    def _life_of(self, lives: list[Life], event: IncomingEvent) -> Life:
        """The life that an event belongs to: a former one only when it is no newer than that one's newest event."""
        current, at = lives[-1], event.occurred_at
        if current.alert.life == 1 or at is None or at >= current.started_at:
            return current
        if current.alert.life != len(lives):  # the former ones are not loaded yet
            known = {life.alert.life for life in lives}
            former = Alert.objects.filter(identity=current.alert.identity).exclude(life__in=known).order_by("life")
            lives[:0] = [Life.of(alert) for alert in former]
        return next((life for life in lives[:-1] if at <= life.last_event_at), current)


def _write(lives: list[Life]) -> None:
    lives.sort(key=lambda life: life.alert.pk)  # so that two writers do not wait for each other
    # Former lives are put aside before new ones begin, since of an identity one alone is current.
    for life in lives:
        if life.seen_revision and not life.update():
            raise Contested
    Alert.objects.bulk_create([life.settled() for life in lives if not life.seen_revision])
    Event.objects.bulk_create([event for life in lives for event in life.new_events])


def _say_there_is_work() -> None:
    # The marked door of house.md: the one place where alerts speak to incidents, and only to say that there is work.
    from incidents.tasks import correlate_behind

    correlate_behind.delay()
