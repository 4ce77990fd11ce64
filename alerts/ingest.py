"""From events to alerts: identity, duplicates, order, reopening (bigpanda.md §2, engine.md). Every accepted event is committed on return."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db import IntegrityError, OperationalError, transaction

from alerts import store
from alerts.events import IncomingEvent, Status
from alerts.folding import Folded
from alerts.lives import Life
from appkeys.models import AppKey

logger = logging.getLogger(__name__)
ATTEMPTS = 8


class Outcome(Enum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


def ingest(
    sent: Sequence[tuple[AppKey, IncomingEvent]], *, received_at: datetime, announce: Callable[[], None] | None = None
) -> list[Outcome]:
    """Take events in the order given; returns what became of each, in that order.

    1. Look up the current life of every identity.
    2. Take the events one by one: drop duplicates, update, reopen, begin a new life.
    3. Write new and changed alerts and the events, in one transaction, with a mark that correlation is behind. Duplicates have only read.
    4. After the commit, say once that there is work, by `announce` where the caller has a better way.

    Safe beside other writers: an alert is written only in the revision it was read in, and a new life only where no other is current;
    where writers met, all begins anew.
    """
    for attempt in range(1, ATTEMPTS + 1):
        batch = _Batch([event.identity(app_key.pk) for app_key, event in sent], received_at)
        outcomes = [
            batch.take(app_key.pk, identity, event)
            for (app_key, event), identity in zip(sent, batch.identities, strict=True)
        ]
        try:
            if changed := batch.changed():
                _write(changed, sent, received_at, announce or say_there_is_work)
        except (store.Contested, IntegrityError, OperationalError) as error:
            if attempt == ATTEMPTS or (isinstance(error, OperationalError) and "deadlock" not in str(error)):
                raise
            logger.info("ingest: writers met (%s), attempt %d of %d", type(error).__name__, attempt, ATTEMPTS)
        else:
            return outcomes
    raise AssertionError("the loop above returns or raises")


def _write(
    changed: list[Life],
    sent: Sequence[tuple[AppKey, IncomingEvent]],
    received_at: datetime,
    announce: Callable[[], None],
) -> None:
    if pending := {app_key.pk for app_key, _ in sent if app_key.first_event_at is None}:
        with transaction.atomic():
            store.write(changed)
            AppKey.note_first_event(pending, at=received_at)
    else:
        store.write(changed)
    transaction.on_commit(announce, robust=True)


class _Batch:
    """The lives of the identities of one batch, newest last, while its events are taken."""

    def __init__(self, identities: list[str], received_at: datetime) -> None:
        self.identities, self.received_at = identities, received_at
        self.lives = {identity: [life] for identity, life in store.read_current(set(identities)).items()}

    def changed(self) -> list[Life]:
        return [life for lives in self.lives.values() for life in lives if life.is_changed]

    def take(self, app_key_pk: int, identity: str, event: IncomingEvent) -> Outcome:
        lives = self.lives.get(identity)
        if lives is None:
            self.lives[identity] = [Life.begin(app_key_pk, identity, event, self.received_at)]
            return Outcome.ACCEPTED
        if self._begins_anew(lives[-1].folded, event):
            lives.append(Life.begin(app_key_pk, identity, event, self.received_at, after=lives[-1]))
            return Outcome.ACCEPTED
        life = self._life_of(lives, event)
        return Outcome.ACCEPTED if life.take(event, self.received_at, store.read_log) else Outcome.DUPLICATE

    def _begins_anew(self, known: Folded, event: IncomingEvent) -> bool:
        """Whether the event is the newest, active, and comes later after the end than the reopen window allows (bigpanda.md §2.5)."""
        if known.ended_at is None or event.status == Status.OK:
            return False
        at = event.occurred_at or max(self.received_at, known.last_event_at)
        window: timedelta = settings.REOPEN_WINDOW
        return at >= known.last_event_at and at - known.ended_at > window

    def _life_of(self, lives: list[Life], event: IncomingEvent) -> Life:
        """The life that an event belongs to: a former one only where it does not become the newest, and so active again."""
        current, at = lives[-1], event.occurred_at
        if current.life == 1 or at is None or at >= current.folded.started_at:
            return current
        if current.life != len(lives):  # the former ones are not read yet, save those that this batch put aside
            known = {life.life for life in lives}
            lives[:0] = [life for life in store.read_former(current.identity) if life.life not in known]
        newest = timedelta(0) if event.status == Status.OK else timedelta(microseconds=1)
        return next((life for life in lives[:-1] if at <= life.folded.last_event_at - newest), current)


def say_there_is_work() -> None:
    # The marked door of house.md: the one place where alerts speak to incidents, and only to say that there is work.
    from incidents.tasks import correlate_behind

    correlate_behind.delay()
