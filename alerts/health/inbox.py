"""Incoming requests for people to look at: samples of rejected requests, and a live tail while a person watches."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import Error, models, transaction
from django.utils import timezone

from alerts.health.redaction import redacted
from alerts.models import Alert, Health, Refusal, TailLine
from alerts.models.alert import AlertQuerySet
from alerts.payload import ValidatedRequest
from appkeys.models import AppKey
from db import outage
from db.background_buffer import BackgroundBuffer

logger = logging.getLogger(__name__)
REFUSALS_KEPT, REFUSALS_FOR = 20, timedelta(days=7)
# A sender whose every request is rejected costs no more than one sample in this time.
REFUSALS_EVERY = timedelta(seconds=1)
TAIL_KEPT = 50
WATCHED_FOR = timedelta(seconds=60)  # after the person last looked
FRESH_SECONDS = 0.5
ALERTS_SHOWN = 20  # of one request
LIMIT = 32 * 1024**2  # bytes in memory until the next write; further requests are dropped

_watched: frozenset[int] = frozenset()
_watched_read_at = 0.0


class AnsweredRequest(NamedTuple):
    """A request as it is kept for people to look at."""

    at: datetime
    path: str
    body: bytes
    status: int
    reasons: list[str]
    refused: list[AppKey]  # the App Keys of rejected items
    watched: list[tuple[AppKey, list[str]]]  # watched App Keys, each with the identities of its events


def record(validated: ValidatedRequest, *, path: str, body: bytes, status: int, reply: Any) -> None:
    """Record an answered request if it had rejected items, or if a person watches. Never raise."""
    refused = {app_key.id: app_key for app_key in validated.app_keys_of_rejects}
    app_keys = {app_key.pk: app_key for app_key, _ in validated.events} | refused
    try:
        observed = [(app_key, _identities(validated, app_key)) for pk, app_key in app_keys.items() if pk in watched()]
    except Error as error:
        logger.warning("inbox: a request is not recorded: %s", error)
        return
    if refused or observed:
        reasons = _reasons(validated, reply)
        request = AnsweredRequest(timezone.now(), path[:200], body, status, reasons, [*refused.values()], observed)
        buffer.add(request, len(body))


def _reasons(validated: ValidatedRequest, reply: Any) -> list[str]:
    rules = [f"{each['field']}: {each['rule']}" for each in (*validated.rejected, *validated.notes)]
    errors = reply.get("errors", []) if isinstance(reply, dict) else []
    return list(dict.fromkeys([*rules, *map(str, errors)]))[:20]


def _identities(validated: ValidatedRequest, app_key: AppKey) -> list[str]:
    identities = [event.identity(app_key.pk) for owner, event in validated.events if owner.pk == app_key.pk]
    return list(dict.fromkeys(identities))[:ALERTS_SHOWN]


@transaction.atomic
def _write(requests: list[AnsweredRequest]) -> None:
    for request in requests:
        for app_key in request.refused:
            _write_refusal(app_key, request)
        for app_key, identities in request.watched:
            TailLine.objects.create(
                app_key=app_key,
                at=request.at,
                path=request.path,
                status=request.status,
                sample=redacted(request.body),
                said="\n".join(request.reasons),
                identities=identities,
            )
            _trim(app_key.tail.order_by("-pk"), TAIL_KEPT)


def _write_refusal(app_key: AppKey, request: AnsweredRequest) -> None:
    if app_key.refusals.filter(at__gt=request.at - REFUSALS_EVERY).exists():
        return
    Refusal.objects.create(
        app_key=app_key, at=request.at, path=request.path, reasons=request.reasons, sample=redacted(request.body)
    )
    _trim(app_key.refusals.order_by("-pk"), REFUSALS_KEPT)


def _trim(newest_first: models.QuerySet[Any], kept: int) -> None:
    if last := newest_first.values_list("pk", flat=True)[kept : kept + 1]:
        newest_first.filter(pk__lte=last[0]).delete()


buffer: BackgroundBuffer[AnsweredRequest, list[AnsweredRequest]] = BackgroundBuffer(
    "inbox", empty=list, add_up=list.extend, write=_write, limit=LIMIT
)


def forget_old() -> int:
    """Delete samples that are older than REFUSALS_FOR. Return how many rows."""
    return Refusal.objects.filter(at__lt=timezone.now() - REFUSALS_FOR).delete()[0]


# --- the live tail


def watch(app_key: AppKey) -> None:
    """Record the requests of an App Key from now on, until WATCHED_FOR after the last call."""
    until = {"watched_until": timezone.now() + WATCHED_FOR}
    outage.try_to_note(
        "that a person watches an integration",
        lambda: Health.objects.update_or_create(app_key=app_key, defaults=until),
    )


def watched() -> frozenset[int]:
    """Return the keys of the App Keys that a person watches, read at most twice per second."""
    global _watched, _watched_read_at
    if time.monotonic() - _watched_read_at > FRESH_SECONDS:
        _watched = frozenset(Health.objects.filter(watched_until__gt=timezone.now()).values_list("pk", flat=True))
        _watched_read_at = time.monotonic()
    return _watched


class TailRow(NamedTuple):
    """A request in the live tail, with the alerts that its events belong to."""

    line: TailLine
    alerts: list[Alert]
    sample: str | None  # None where the reader may not see all of its alerts


def tail(app_key: AppKey, visible: AlertQuerySet, all_are_visible: bool) -> list[TailRow]:
    """Return the newest requests of an App Key. What is rejected of a request belongs to no alert that could be asked."""
    lines = list(app_key.tail.all()[:TAIL_KEPT])
    wanted = {identity for line in lines for identity in line.identities}
    found = {alert.identity.hex: alert for alert in visible.filter(identity__in=wanted, is_current=True)}
    rows = []
    for line in lines:
        alerts = [found[each] for each in line.identities if each in found]
        is_whole = len(alerts) == len(line.identities) and 0 < len(alerts) < ALERTS_SHOWN and not line.said
        rows.append(TailRow(line, alerts, line.sample if all_are_visible or is_whole else None))
    return rows
