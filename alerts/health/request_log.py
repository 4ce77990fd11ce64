"""The request log: requests as they were received, without credentials, kept for a week (docs/how-it-works.md §10).

Requests are packed together and written every few seconds, beside the events and never with them, so that the log adds
nothing to the time of a reply.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import F, Sum, Window
from django.utils import timezone
from rest_framework.exceptions import APIException

from alerts import payload
from alerts.events import EventRejected
from alerts.health.redaction import GZIP, HIDDEN, redacted
from alerts.models import Alert, Event, KeptRequests
from alerts.payload import ValidatedRequest, items_of
from alerts.sources import bigpanda
from db.background_buffer import BackgroundBuffer

KEPT_FOR = timedelta(days=7)
KEPT_BYTES = 1024**3  # as packed; beyond it the oldest requests are deleted
LIMIT = 32 * 1024**2  # bytes in memory until the next write; further requests are dropped
PACK_BYTES = 1024**2  # before packing: a reader unpacks this much to find one request
# Packing pauses after so many requests, because Python runs one thread at a time and ingest goes first.
PACKED_AT_ONCE = 100
PAUSE_SECONDS = 0.0005
SHOWN = 256 * 1024  # characters of one payload
STORED_WITHIN = timedelta(seconds=30)  # a request is recorded once its events are stored


# Time, path, App Key and content of each event, secrets, body. The garbage collector skips a plain tuple of plain
# values.
_Request = tuple[float, str, str, str, bytes]


@dataclass(frozen=True, slots=True)
class SentPayload:
    """The payload of an event as sent, without secrets: its part of the request where the part is known."""

    text: str
    path: str
    alerts: int  # in the request
    is_whole: bool  # whether the text is the whole request


def record(validated: ValidatedRequest, *, path: str, body: bytes) -> None:
    """Record a request from which an event was stored."""
    events = " ".join([f"{app_key.pk}:{event.content}" for app_key, event in validated.events])
    buffer.add((time.time(), path, events, "\n".join(validated.secrets), body), len(body))


def _write(requests: list[_Request]) -> None:
    KeptRequests.objects.bulk_create(map(_packed, _packs(requests)))


buffer: BackgroundBuffer[_Request, list[_Request]] = BackgroundBuffer(
    "request log", empty=list, add_up=list.extend, write=_write, limit=LIMIT
)


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
            (at, path, events, _without(secrets, body).decode("latin-1"))
            for at, path, events, secrets, body in requests[start : start + PACKED_AT_ONCE]
        ]
        text = json.dumps(rows)[1:-1]  # without brackets: the pack is one array
        parts.append(packing.compress(f"{',' if start else '['}{text}".encode()))
        time.sleep(PAUSE_SECONDS)
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
    """Delete requests older than KEPT_FOR, and the oldest ones beyond KEPT_BYTES. Return the number of rows."""
    deleted = KeptRequests.objects.filter(until__lt=timezone.now() - KEPT_FOR).delete()[0]
    newer = Window(Sum("size"), order_by=F("id").desc())
    beyond = KeptRequests.objects.annotate(newer=newer).filter(newer__gt=KEPT_BYTES).order_by("-pk").first()
    if beyond:
        deleted += KeptRequests.objects.filter(pk__lte=beyond.pk).delete()[0]
    return deleted


# --- find


def payload_of(event: Event, alert: Alert) -> SentPayload | None:
    """Return the payload from which an event was made, or None for a manual change and where the request is deleted."""
    if event.content is None:
        return None
    wanted = f"{alert.app_key_id}:{event.content.hex}"
    found: list[tuple[datetime, str, int, bytes]] = []
    packs = KeptRequests.objects.filter(since__lte=event.received_at + STORED_WITHIN, until__gte=event.received_at)
    for pack in packs.order_by("since"):
        if found and pack.since > min(found)[0]:
            break
        for at, path, events, body in json.loads(zlib.decompress(pack.packed)):
            moment = datetime.fromtimestamp(at, UTC)
            if moment >= event.received_at and wanted in (contents := events.split()):
                found.append((moment, path, len(contents), body.encode("latin-1")))
    if not found:
        return None
    _, path, count, body = min(found)
    item = _item(body, event)
    text = redacted(body if item is None else json.dumps(item).encode(), limit=SHOWN)
    return SentPayload(text, path, count, is_whole=item is None or count == 1)


def _item(body: bytes, event: Event) -> object | None:
    """Return the alert object of the Alerts API that became this event, or None for the payload of a tool."""
    with suppress(APIException):
        for item in items_of(payload.parse(body))[0]:
            with suppress(EventRejected):
                if isinstance(item, dict) and _has_become(item, event):
                    return item
    return None


def _has_become(item: dict[str, object], event: Event) -> bool:
    made = bigpanda.normalize(item, received_at=event.received_at)
    return event.content is not None and made.repeats(event.content.hex, event.occurred_at)
