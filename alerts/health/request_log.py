"""Requests as they came in, so that an event can be shown as it was sent: kept for a week, without their credentials.

They are packed together and written every few seconds, beside the events and never with them: taking events costs nothing more. A process that is
killed loses the requests of its last seconds, not their events.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError
from django.db.models import F, Sum, Window
from django.utils import timezone
from rest_framework.exceptions import APIException

from alerts import payload
from alerts.events import EventRejected
from alerts.health import ingest_stats
from alerts.health.redaction import GZIP, HIDDEN, redacted
from alerts.models import Alert, Event, KeptRequests
from alerts.payload import ValidatedRequest, items_of
from alerts.sources import bigpanda

logger = logging.getLogger(__name__)
KEPT_FOR = timedelta(days=7)
KEPT_BYTES = 1024**3  # as packed; where more comes in a week, the oldest go
WAITING_BYTES = 32 * 1024**2  # in memory, until the next write; what comes beyond is not kept
PACK_BYTES = 1024**2  # before packing: what is read to find one request
PACKED_AT_ONCE = 100  # requests, before those who take events have a turn: Python runs one thread at a time
GIVE_WAY_SECONDS = 0.0005
SHOWN = 256 * 1024  # characters of one payload
STORED_WITHIN = timedelta(seconds=30)  # a request is kept once its events are stored


# Time, path, App Key and content of each event, secrets, body. A plain tuple of plain values: the collector of garbage need not look at it.
_Request = tuple[float, str, str, str, bytes]


@dataclass(frozen=True, slots=True)
class Payload:
    """An event as it was sent: its own part of the request where that can be told, without secrets."""

    text: str
    path: str
    alerts: int  # of the request
    is_whole: bool  # whether the text is the whole request


_lock = threading.Lock()
_waiting: list[_Request] = []
_waiting_bytes = 0


def keep(validated: ValidatedRequest, *, path: str, body: bytes) -> None:
    """Keep a request of which an event was stored."""
    global _waiting_bytes
    became = " ".join([f"{app_key.pk}:{event.content}" for app_key, event in validated.events])
    request = (time.time(), path, became, "\n".join(validated.secrets), body)
    with _lock:
        if _waiting_bytes > WAITING_BYTES:
            return
        _waiting.append(request)
        _waiting_bytes += len(body)
    if not ingest_stats.is_running():
        flush()


def flush() -> None:
    """Write what waits."""
    global _waiting_bytes
    with _lock:
        requests = list(_waiting)
        _waiting.clear()
        _waiting_bytes = 0
    try:
        KeptRequests.objects.bulk_create(map(_packed, _packs(requests)))
    except DatabaseError as error:
        logger.warning("kept requests: those of the last seconds are lost: %s", error)


def _packs(requests: list[_Request]) -> Iterator[list[_Request]]:
    pack: list[_Request] = []
    size = 0
    for request in requests:
        pack.append(request)
        size += len(request[-1])
        if size >= PACK_BYTES:
            yield pack
            pack, size = [], 0
    if pack:
        yield pack


def _packed(requests: list[_Request]) -> KeptRequests:
    packing, parts = zlib.compressobj(1), []
    for start in range(0, len(requests), PACKED_AT_ONCE):
        rows = [
            (at, path, became, _without(secrets, body).decode("latin-1"))
            for at, path, became, secrets, body in requests[start : start + PACKED_AT_ONCE]
        ]
        text = json.dumps(rows)[1:-1]  # a part of one array
        parts.append(packing.compress(f"{',' if start else '['}{text}".encode()))
        time.sleep(GIVE_WAY_SECONDS)
    packed = b"".join([*parts, packing.compress(b"]"), packing.flush()])
    since, until = (datetime.fromtimestamp(request[0], UTC) for request in (requests[0], requests[-1]))
    return KeptRequests(since=since, until=until, size=len(packed), packed=packed)


def _without(secrets: str, body: bytes) -> bytes:
    if body.startswith(GZIP):
        with suppress(zlib.error):
            body = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(body, payload.LIMIT)
    for secret in secrets.split("\n") if secrets else ():
        body = body.replace(secret.encode(), HIDDEN.encode())
    return body


def forget_old() -> int:
    """Forget what is kept no longer: by age, and by size beyond what a week may come to."""
    forgotten = KeptRequests.objects.filter(until__lt=timezone.now() - KEPT_FOR).delete()[0]
    newer = Window(Sum("size"), order_by=F("id").desc())
    beyond = KeptRequests.objects.annotate(newer=newer).filter(newer__gt=KEPT_BYTES).order_by("-pk").first()
    if beyond:
        forgotten += KeptRequests.objects.filter(pk__lte=beyond.pk).delete()[0]
    return forgotten


# --- find


def payload_of(event: Event, alert: Alert) -> Payload | None:
    """What was sent to make this event; None where it is kept no longer, or was not sent at all."""
    if event.content is None:
        return None
    wanted = f"{alert.app_key_id}:{event.content.hex}"
    found: list[tuple[datetime, str, int, bytes]] = []
    packs = KeptRequests.objects.filter(since__lte=event.received_at + STORED_WITHIN, until__gte=event.received_at)
    for pack in packs.order_by("since"):
        if found and pack.since > min(found)[0]:
            break
        for at, path, became, body in json.loads(zlib.decompress(pack.packed)):
            moment = datetime.fromtimestamp(at, UTC)
            if moment >= event.received_at and wanted in (contents := became.split()):
                found.append((moment, path, len(contents), body.encode("latin-1")))
    if not found:
        return None
    _, path, count, body = min(found)
    item = _item(body, event)
    text = redacted(body if item is None else json.dumps(item).encode(), limit=SHOWN)
    return Payload(text, path, count, is_whole=item is None or count == 1)


def _item(body: bytes, event: Event) -> object | None:
    """The alert object of the Alerts API that became this event; None where the request speaks otherwise, as a tool's own does."""
    with suppress(APIException):
        for item in items_of(payload.parse(body))[0]:
            with suppress(EventRejected):
                if isinstance(item, dict) and _became(item, event):
                    return item
    return None


def _became(item: dict[str, object], event: Event) -> bool:
    made = bigpanda.normalize(item, received_at=event.received_at)
    return event.content is not None and made.repeats(event.content.hex, event.occurred_at)
