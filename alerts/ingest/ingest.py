"""From events to alerts: identity, duplicates, order and reopening (docs/how-it-works.md §2)."""

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
from appkeys.models import AppKey
from db.transactions import Transactions, WriteConflict, carry_out, is_postgresql

logger = logging.getLogger(__name__)
ATTEMPTS = 8
Sent = Sequence[tuple[AppKey, IncomingEvent]]


class IngestOutcome(Enum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


def ingest(sent: Sent, *, received_at: datetime) -> list[IngestOutcome]:
    """Store events in their order, through Django's connection. Return one outcome per event.

    On return, every accepted event is committed, unless the caller has a transaction open. After the commit,
    correlation is requested.
    """
    pending = {app_key.pk for app_key, _ in sent if app_key.first_event_at is None}
    with transaction.atomic() if pending else nullcontext():
        outcomes, _ = carry_out(ingesting(sent, received_at=received_at))
        if pending:
            AppKey.note_first_event(pending, at=received_at)
    if IngestOutcome.ACCEPTED in outcomes:
        transaction.on_commit(request_correlation, robust=True)
    return outcomes


def identities_of(sent: Sent) -> list[str]:
    return [event.identity(app_key.id) for app_key, event in sent]


def ingesting(
    sent: Sent, *, received_at: datetime, identities: Sequence[str] = (), are_new: bool = False
) -> Transactions[tuple[list[IngestOutcome], bool]]:
    """Store events in their order, as transactions for any connection.

    Return one outcome per event, and whether no event had a known identity.

    1. Read the current alert of every identity.
    2. Apply the events one by one: drop a duplicate, update or reopen an alert, begin a new alert.
    3. Write changed alerts, new alerts and events in one transaction. Duplicates write nothing.

    `identities` are those of the events, where the caller knows them. With `are_new`, PostgreSQL first carries out one
    statement that looks up and writes, which succeeds if no identity is known.

    Other writers may store the same alerts at the same time. An alert is written only if it still has the revision that
    was read, and a new alert only if its identity has no current one. Otherwise everything begins again, up to ATTEMPTS
    times.
    """
    identities = identities or identities_of(sent)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if are_new and is_postgresql():
                batch = _Batch({}, received_at)
                outcomes = yield from batch.applying(sent, identities)
                if not batch.alerts and (yield from store.writing_unknown(list(batch.new.values()))):
                    return outcomes, True
                are_new = False
            batch = _Batch((yield from store.reading_current(set(identities))), received_at)
            outcomes = yield from batch.applying(sent, identities)
            changed = batch.changed()
            if changed or batch.new:
                yield from store.writing(changed, list(batch.new.values()))
        except WriteConflict:
            if attempt == ATTEMPTS:
                raise
            logger.info("ingest: writers met, attempt %d of %d", attempt, ATTEMPTS)
        else:
            return outcomes, not batch.stored
    raise AssertionError("the loop above returns or raises")


class _Batch:
    """The alerts of the identities of one batch, while its events are applied.

    An identity is in `stored` or `new`, which cost little, until an event needs its alerts in full; then it is in
    `alerts`.
    """

    def __init__(self, stored: dict[str, store.StoredAlert], received_at: datetime) -> None:
        self.stored, self.received_at = stored, received_at
        self.new: dict[str, NewAlert] = {}
        self.alerts: dict[str, list[AlertState]] = {}  # by identity, the newest last

    def changed(self) -> list[AlertState]:
        return [alert for alerts in self.alerts.values() for alert in alerts if alert.is_changed]

    def applying(self, sent: Sent, identities: Sequence[str]) -> Transactions[list[IngestOutcome]]:
        """Apply events in their order. Return one outcome per event."""
        outcomes = []
        for (app_key, event), identity in zip(sent, identities, strict=True):
            alerts = self.alerts.get(identity)
            if alerts is None and (stored := self.stored.get(identity)):
                if event.repeats(stored.last_content, stored.last_event_at):
                    outcomes.append(IngestOutcome.DUPLICATE)
                    continue
                alerts = self.alerts[identity] = [stored.state()]
            elif alerts is None and (new := self.new.pop(identity, None)):
                alerts = self.alerts[identity] = [new.state()]
            if alerts is None:
                if event.notes:
                    self.alerts[identity] = [AlertState.begin(app_key.id, identity, event, self.received_at)]
                else:
                    self.new[identity] = NewAlert.of(app_key.id, identity, event, self.received_at)
                outcomes.append(IngestOutcome.ACCEPTED)
                continue
            if alerts[-1].is_late(event):
                yield from self._reading_history(alerts, event)
            outcomes.append(self._apply(app_key.pk, identity, alerts, event))
        return outcomes

    def _apply(self, app_key_pk: int, identity: str, alerts: list[AlertState], event: IncomingEvent) -> IngestOutcome:
        if self._begins_anew(alerts[-1].projection, event):
            alerts.append(AlertState.begin(app_key_pk, identity, event, self.received_at, after=alerts[-1]))
            return IngestOutcome.ACCEPTED
        is_stored = self._alert_of(alerts, event).apply(event, self.received_at)
        return IngestOutcome.ACCEPTED if is_stored else IngestOutcome.DUPLICATE

    def _begins_anew(self, known: Projection, event: IncomingEvent) -> bool:
        """Return whether an active event is the newest and after the reopen window (docs/wire-contract.md §3.5)."""
        if known.ended_at is None or event.status == Status.OK:
            return False
        at = event.occurred_at or max(self.received_at, known.last_event_at)
        window: timedelta = settings.REOPEN_WINDOW
        return at >= known.last_event_at and at - known.ended_at > window

    def _alert_of(self, alerts: list[AlertState], event: IncomingEvent) -> AlertState:
        """Return the alert that an event belongs to: a former alert only if the event does not make it active again."""
        current, at = alerts[-1], event.occurred_at
        if at is None or at >= current.projection.started_at:
            return current
        newest = timedelta(0) if event.status == Status.OK else timedelta(microseconds=1)
        return next((alert for alert in alerts[:-1] if at <= alert.projection.last_event_at - newest), current)

    def _reading_history(self, alerts: list[AlertState], event: IncomingEvent) -> Transactions[None]:
        """Read the former alerts that a late event may belong to, and the log of the alert that it belongs to."""
        current = alerts[-1]
        if current.life != len(alerts) and event.occurred_at and event.occurred_at < current.projection.started_at:
            known = {alert.life for alert in alerts}
            former = yield from store.reading_former(current.identity)
            alerts[:0] = [alert for alert in former if alert.life not in known]
        alert = self._alert_of(alerts, event)
        if alert.log is None:
            logs = (yield from store.reading_logs([alert.pk])) if alert.seen_revision else {alert.pk: []}
            alert.log = logs[alert.pk] + alert.new_lines


def request_correlation() -> None:
    """Tell correlation that alerts are behind."""
    # The one import from alerts to incidents (CONTRIBUTING.md, Layout).
    from incidents.correlation.tasks import correlate_behind

    correlate_behind.delay()
