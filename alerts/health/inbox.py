"""What came in, for people to look at: refused requests with a sample, and a live tail while somebody watches."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, models, transaction
from django.utils import timezone

from alerts.health.redaction import redacted
from alerts.models import Alert, Health, Refusal, TailLine
from alerts.payload import ValidatedRequest
from appkeys.models import AppKey

logger = logging.getLogger(__name__)
REFUSALS_KEPT, REFUSALS_FOR = 20, timedelta(days=7)
REFUSALS_EVERY = 1.0  # seconds; a sender that is refused at each request must not cost more than that
TAIL_KEPT = 50
WATCHED_FOR = timedelta(seconds=60)  # after the last look
FRESH_SECONDS = 0.5
ALERTS_SHOWN = 20  # of one request

_lock = threading.Lock()
_kept_at: dict[int, float] = {}  # App Key -> when the last refusal was written here
_watched: frozenset[int] = frozenset()
_watched_read_at = 0.0


def note(validated: ValidatedRequest, *, path: str, body: bytes, status: int, reply: Any) -> None:
    """Keep what is to be kept of a request that was answered. Never costs an answer."""
    try:
        refused = {app_key.pk: app_key for app_key in validated.app_keys_of_rejects}
        spoke = {app_key.pk: app_key for app_key, _ in validated.events} | refused
        reasons = _reasons(validated, reply)
        for app_key in refused.values():
            _keep_refusal(app_key, path, body, reasons)
        for app_key in spoke.values():
            if app_key.pk in watched():
                _keep_line(app_key, validated, path, body, status, reasons)
    except DatabaseError as error:
        logger.warning("inbox: what came in could not be noted: %s", error)


def _reasons(validated: ValidatedRequest, reply: Any) -> list[str]:
    told = [f"{each['field']}: {each['rule']}" for each in (*validated.rejected, *validated.notes)]
    errors = reply.get("errors", []) if isinstance(reply, dict) else []
    return list(dict.fromkeys([*told, *map(str, errors)]))[:20]


def _keep_refusal(app_key: AppKey, path: str, body: bytes, reasons: list[str]) -> None:
    now = time.monotonic()
    with _lock:
        if now - _kept_at.get(app_key.pk, -REFUSALS_EVERY) < REFUSALS_EVERY:
            return
        _kept_at[app_key.pk] = now
    with transaction.atomic():
        Refusal.objects.create(
            app_key=app_key, at=timezone.now(), path=path[:200], reasons=reasons, sample=redacted(body)
        )
        _trim(app_key.refusals.order_by("-pk"), REFUSALS_KEPT)


def _keep_line(
    app_key: AppKey, validated: ValidatedRequest, path: str, body: bytes, status: int, reasons: list[str]
) -> None:
    identities = [event.identity(app_key.pk) for owner, event in validated.events if owner.pk == app_key.pk]
    with transaction.atomic():
        TailLine.objects.create(
            app_key=app_key,
            at=timezone.now(),
            path=path[:200],
            status=status,
            sample=redacted(body),
            said="\n".join(reasons),
            identities=list(dict.fromkeys(identities))[:ALERTS_SHOWN],
        )
        _trim(app_key.tail.order_by("-pk"), TAIL_KEPT)


def _trim(newest_first: models.QuerySet[Any], kept: int) -> None:
    if last := newest_first.values_list("pk", flat=True)[kept : kept + 1]:
        newest_first.filter(pk__lte=last[0]).delete()


def forget_old() -> int:
    """Forget the samples that are kept no longer."""
    return Refusal.objects.filter(at__lt=timezone.now() - REFUSALS_FOR).delete()[0]


# --- watching


def watch(app_key: AppKey) -> None:
    """Somebody looks: its requests are noted from now on, until a minute after the last look."""
    Health.objects.update_or_create(app_key=app_key, defaults={"watched_until": timezone.now() + WATCHED_FOR})


def watched() -> frozenset[int]:
    """The App Keys that somebody watches; read anew twice a second at most."""
    global _watched, _watched_read_at
    if time.monotonic() - _watched_read_at > FRESH_SECONDS:
        _watched = frozenset(Health.objects.filter(watched_until__gt=timezone.now()).values_list("pk", flat=True))
        _watched_read_at = time.monotonic()
    return _watched


def tail(app_key: AppKey) -> list[tuple[TailLine, list[Alert]]]:
    """The newest requests, each with the alerts it became."""
    lines = list(app_key.tail.all()[:TAIL_KEPT])
    wanted = {identity for line in lines for identity in line.identities}
    found = {alert.identity.hex: alert for alert in Alert.objects.filter(identity__in=wanted, is_current=True)}
    return [(line, [found[each] for each in line.identities if each in found]) for line in lines]
