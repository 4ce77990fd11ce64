"""The payload of a request: bytes become JSON, and JSON becomes validated events.

The standard path and the fast path of the Alerts API share these rules (`alerts.api.alerts`,
`alerts.fast_path.fast_path`).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

from rest_framework.exceptions import APIException

from alerts.events import EventRejected, IncomingEvent
from alerts.sources import bigpanda
from appkeys.models import AppKey

LIMIT = 6 * 1024 * 1024  # bytes, as sent and as unpacked (docs/wire-contract.md §2.4)
DIGITS_LIMIT = 4000  # Python converts no longer integers
# A reply lists so many rejects, repairs and messages, and counts the others. Else a small request could have a huge reply.
LISTED = 100
UNKNOWN_APP_KEYS = 100  # in one request; each costs a query
NOT_AN_OBJECT = EventRejected("alerts", "each alert must be a JSON object")

FindAppKey = Callable[[str], AppKey | None]


class BadPayload(APIException):
    status_code = HTTPStatus.BAD_REQUEST


class PayloadTooLarge(APIException):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_detail = (
        f"The payload is larger than {LIMIT // 1024 // 1024} MB. Send the alerts in several smaller batches."
    )


# --- bytes to JSON


def parse(body: bytes, content_encoding: str = "") -> object:
    """Return the JSON value of a request body of any content type, unpacked where the encoding is gzip.

    NaN and infinite numbers are read, because Python's own senders write them. A tag with such a value is dropped
    later, with a note. Raise BadPayload, or PayloadTooLarge for more than LIMIT bytes.
    """
    match content_encoding.strip().lower():
        case "" | "identity":
            pass
        case "gzip" | "x-gzip":
            body = _unpacked(body)
        case other:
            raise BadPayload(
                f"The content encoding {other!r} is not supported. Send the payload as it is, or with gzip."
            )
    if len(body) > LIMIT:
        raise PayloadTooLarge
    try:
        return _decode(_text(body))
    except UnicodeDecodeError as error:
        raise BadPayload(f"The payload is not UTF-8 text: byte {error.start} cannot be read.") from error
    except RecursionError as error:
        raise BadPayload("The payload is nested too deeply.") from error
    except ValueError as error:
        raise BadPayload(f"The payload is not JSON: {error}.") from error


def _text(body: bytes) -> str:
    """Decode a body as `json.loads` does, with a short way for ASCII."""
    if body.isascii() and b"\0" not in body:
        return body.decode("ascii")
    return body.decode(json.detect_encoding(body), "surrogatepass")


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= DIGITS_LIMIT else digits


_decode = json.JSONDecoder(parse_int=_integer).decode


def _unpacked(body: bytes) -> bytes:
    """Unpack at most one byte more than the limit."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(body, LIMIT + 1)
    except zlib.error as error:
        raise BadPayload(f"The payload is not gzip, though its Content-Encoding says so: {error}.") from error
    if len(unpacked) <= LIMIT and not unpacker.eof:
        raise BadPayload("The payload's gzip stream ends too early.")
    return unpacked


# --- JSON to events


@dataclass(slots=True)
class ValidatedRequest:
    """The events of one request, and its first repairs and rejected items by index, with field and rule."""

    events: list[tuple[AppKey, IncomingEvent]] = field(default_factory=list)
    notes: list[dict[str, object]] = field(default_factory=list)
    rejected: list[dict[str, object]] = field(default_factory=list)
    notes_count: int = 0  # of all, listed or not
    rejected_count: int = 0
    app_keys_of_rejects: list[AppKey] = field(default_factory=list)  # only known App Keys
    secrets: Collection[str] = ()  # credentials of the request that may stand in the body

    def accept(self, index: int, app_key: AppKey, event: IncomingEvent) -> None:
        if event.notes:
            listed = event.notes[: LISTED - len(self.notes)]
            self.notes += ({"index": index, "field": note.field, "rule": note.rule} for note in listed)
            self.notes_count += len(event.notes)
        self.events.append((app_key, event))

    def reject(self, index: int, app_key: AppKey | None, error: EventRejected) -> None:
        if self.rejected_count < LISTED:
            self.rejected.append({"index": index, "field": error.field, "rule": error.rule})
        self.rejected_count += 1
        if app_key:
            self.app_keys_of_rejects.append(app_key)


def validate(body: object, key_for_all: object, find_app_key: FindAppKey, *, received_at: datetime) -> ValidatedRequest:
    """Validate the alerts of a payload one by one. A rejected alert does not affect the other alerts.

    `key_for_all` is the App Key that the query or the headers name for all alerts. Raise BadPayload for a payload
    without alerts.
    """
    items, common = items_of(body)
    validated = ValidatedRequest()
    known: dict[str, AppKey] = {}
    validated.secrets = known
    refused: dict[str, str] = {}  # rules by the App Keys that cannot be used
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            validated.reject(index, None, NOT_AN_OBJECT)
            continue
        secret = item.get("app_key") or common or key_for_all
        app_key = known.get(secret) if isinstance(secret, str) else None
        try:
            if app_key is None:
                if refused:
                    _refuse_again(secret, refused)
                app_key = known[str(secret)] = active_app_key(secret, find_app_key)
            event = bigpanda.normalize(item, received_at=received_at)
        except EventRejected as error:
            if app_key is None and isinstance(secret, str):
                refused[secret] = error.rule
            validated.reject(index, app_key, error)
        else:
            validated.accept(index, app_key, event)
    return validated


def items_of(body: object) -> tuple[Sequence[object], object]:
    """Return the alerts of a payload and the App Key of the batch.

    A payload is one alert, a batch under `alerts`, or a bare array (docs/wire-contract.md §2.3).
    """
    if isinstance(body, dict) and "alerts" in body and "status" not in body:
        batch, common = body["alerts"], body.get("app_key")
        if not isinstance(batch, list):
            raise BadPayload("alerts: must be an array of alert objects.")
    elif isinstance(body, list):
        batch, common = body, None
    else:
        return (body,), None
    if not batch:
        raise BadPayload("alerts: must hold at least one alert.")
    return batch, common


def _refuse_again(secret: object, refused: Mapping[str, str]) -> None:
    """Raise EventRejected for an App Key that was refused in this request, or if too many others were: each costs a query."""
    if not isinstance(secret, str):
        return
    if rule := refused.get(secret):
        raise EventRejected("app_key", rule)
    if len(refused) >= UNKNOWN_APP_KEYS:
        raise EventRejected("app_key", f"was not looked up: {UNKNOWN_APP_KEYS} others of this request cannot be used")


def active_app_key(secret: object, find_app_key: FindAppKey) -> AppKey:
    """Return the App Key with this secret. Raise EventRejected where there is no active one."""
    if not secret:
        raise EventRejected(
            "app_key", "is required: send the App Key in the payload, as '?app_key=' or in the header 'X-App-Key'"
        )
    if not isinstance(secret, str):
        raise EventRejected("app_key", "must be a string")
    app_key = find_app_key(secret)
    if app_key is None:
        raise EventRejected("app_key", "is not known here; check it, or create an App Key under Integrations")
    if app_key.deleted_at:
        raise EventRejected(
            "app_key",
            f"of the integration {app_key.name!r} was deleted; restore it, or name a new one, under Integrations",
        )
    if not app_key.is_active:
        raise EventRejected("app_key", f"of the integration {app_key.name!r} was deactivated")
    return app_key
