"""Ingest events into alerts: identity, duplicates, order, reopening (docs/wire-contract.md §3, docs/how-it-works.md §2).

Every accepted event is committed when a function of this module returns.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db import transaction

from alerts.events import IncomingEvent, Status
from alerts.ingest import store
from alerts.ingest.alert_state import AlertState, NewAlert
from alerts.ingest.projection import Projection
from alerts.ingest.statements import is_postgresql
from appkeys.models import AppKey
from db import transactions
from db.transactions import Transactions, WriteConflict

logger = logging.getLogger(__name__)
ATTEMPTS = 8
Sent = Sequence[tuple[AppKey, IncomingEvent]]


class IngestOutcome(Enum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


def ingest(sent: Sent, *, received_at: datetime) -> list[IngestOutcome]:
    """Take events in the order given, through Django's connection; returns what became of each, in that order.

    After the commit, say once that there is work.
    """
    pending = {app_key.pk for app_key, _ in sent if app_key.first_event_at is None}
    with transaction.atomic() if pending else nullcontext():
        outcomes, _ = transactions.carry_out(ingesting(sent, received_at=received_at))
        if pending:
            AppKey.note_first_event(pending, at=received_at)
    if IngestOutcome.ACCEPTED in outcomes:
        transaction.on_commit(say_there_is_work, robust=True)
    return outcomes


def identities_of(sent: Sent) -> list[str]:
    return [event.identity(app_key.id) for app_key, event in sent]


def ingesting(
    sent: Sent, *, received_at: datetime, identities: Sequence[str] = (), are_new: bool = False
) -> Transactions[tuple[list[IngestOutcome], bool]]:
    """The steps of taking events, whoever carries them out: what became of each, and whether all were of identities not known before.

    1. Look up the current life of every identity.
    2. Take the events one by one: drop duplicates, update, reopen, begin a new life.
    3. Write new and changed alerts and the events, in one transaction, with a mark that correlation is behind. Duplicates have only read.

    With `are_new`, first try whether all of it is new, where the database can say so: then one statement looks and writes.
    Safe beside other writers: an alert is written only in the revision it was read in, and a new life only where no other is current;
    where writers met, all begins anew.
    """
    identities = identities or identities_of(sent)  # who has them need not have them made again
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if are_new and is_postgresql():
                batch = _Batch({}, received_at)
                outcomes = yield from batch.ingesting(sent, identities)
                if not batch.lives and (yield from store.beginning(list(batch.firsts.values()))):
                    return outcomes, True
                are_new = False
            batch = _Batch((yield from store.reading_current(set(identities))), received_at)
            outcomes = yield from batch.ingesting(sent, identities)
            changed = batch.changed()
            if changed or batch.firsts:
                yield from store.writing(changed, list(batch.firsts.values()))
        except WriteConflict:
            if attempt == ATTEMPTS:
                raise
            logger.info("ingest: writers met, attempt %d of %d", attempt, ATTEMPTS)
        else:
            return outcomes, not batch.stored
    raise AssertionError("the loop above returns or raises")


class _Batch:
    """The lives of the identities of one batch, newest last, while its events are taken."""

    def __init__(self, stored: dict[str, store.StoredAlert], received_at: datetime) -> None:
        self.stored, self.received_at = stored, received_at  # what is stored becomes a life only where that is needed
        self.firsts: dict[str, NewAlert] = {}  # likewise
        self.lives: dict[str, list[AlertState]] = {}

    def changed(self) -> list[AlertState]:
        return [life for lives in self.lives.values() for life in lives if life.is_changed]

    def ingesting(self, sent: Sent, identities: Sequence[str]) -> Transactions[list[IngestOutcome]]:
        outcomes = []
        for (app_key, event), identity in zip(sent, identities, strict=True):
            lives = self.lives.get(identity)
            if lives is None and (stored := self.stored.get(identity)):
                if event.repeats(stored.last_content, stored.last_event_at):
                    outcomes.append(IngestOutcome.DUPLICATE)
                    continue
                lives = self.lives[identity] = [stored.life()]
            elif lives is None and (first := self.firsts.pop(identity, None)):
                lives = self.lives[identity] = [first.life()]
            if lives is None:
                if event.notes:
                    self.lives[identity] = [AlertState.begin(app_key.id, identity, event, self.received_at)]
                else:
                    self.firsts[identity] = NewAlert.of(app_key.id, identity, event, self.received_at)
                outcomes.append(IngestOutcome.ACCEPTED)
                continue
            if lives[-1].is_late(event):
                yield from self._reading_history(lives, event)
            outcomes.append(self._take(app_key.pk, identity, lives, event))
        return outcomes

    def _take(self, app_key_pk: int, identity: str, lives: list[AlertState], event: IncomingEvent) -> IngestOutcome:
        if self._begins_anew(lives[-1].projection, event):
            lives.append(AlertState.begin(app_key_pk, identity, event, self.received_at, after=lives[-1]))
            return IngestOutcome.ACCEPTED
        is_taken = self._life_of(lives, event).take(event, self.received_at)
        return IngestOutcome.ACCEPTED if is_taken else IngestOutcome.DUPLICATE

    def _begins_anew(self, known: Projection, event: IncomingEvent) -> bool:
        """Whether the event is the newest, active, and comes later after the end than the reopen window allows (docs/wire-contract.md §3.5)."""
        if known.ended_at is None or event.status == Status.OK:
            return False
        at = event.occurred_at or max(self.received_at, known.last_event_at)
        window: timedelta = settings.REOPEN_WINDOW
        return at >= known.last_event_at and at - known.ended_at > window

    def _life_of(self, lives: list[AlertState], event: IncomingEvent) -> AlertState:
        """The life that an event belongs to: a former one only where it does not become the newest, and so active again."""
        current, at = lives[-1], event.occurred_at
        if at is None or at >= current.projection.started_at:
            return current
        newest = timedelta(0) if event.status == Status.OK else timedelta(microseconds=1)
        return next((life for life in lives[:-1] if at <= life.projection.last_event_at - newest), current)

    def _reading_history(self, lives: list[AlertState], event: IncomingEvent) -> Transactions[None]:
        """Read what a late event needs: the former lives it may belong to, and the log of the one it does."""
        current = lives[-1]
        if current.life != len(lives) and event.occurred_at and event.occurred_at < current.projection.started_at:
            known = {life.life for life in lives}  # the others are not read yet
            former = yield from store.reading_former(current.identity)
            lives[:0] = [life for life in former if life.life not in known]
        life = self._life_of(lives, event)
        if life.log is None:
            logs = (yield from store.reading_logs([life.pk])) if life.seen_revision else {life.pk: []}
            life.log = logs[life.pk] + life.new_lines


def say_there_is_work() -> None:
    # The only import from alerts to incidents (CONTRIBUTING.md, Layout): after the commit, say that there is work.
    from incidents.correlation.tasks import correlate_behind

    correlate_behind.delay()
