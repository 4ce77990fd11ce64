"""The fields of one alert in the payload of the Alerts API (docs/wire-contract.md §2.3)."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

from alerts.events import EventRejected, IncomingEvent, Note, Status, Tags

DESCRIPTION_LIMIT = 2048
VALUE_LIMIT = 512
ITEMS_LIMIT = 30
TAGS_LIMIT = 2000
NAME_LIMIT = 128
STATUSES = {
    "ok": Status.OK,
    "warning": Status.WARNING,
    "critical": Status.CRITICAL,
    "acknowledged": Status.ACKNOWLEDGED,
    "unknown": Status.UNKNOWN,
    # Short forms of the wrappers. The wrappers translate them; scripts modeled on the wrappers send them as they are.
    "warn": Status.WARNING,
    "crit": Status.CRITICAL,
    "ack": Status.ACKNOWLEDGED,
}
STATUSES_SHOWN = "one of ok, warning, critical, acknowledged, unknown"
STATUS_REQUIRED = f"is required: {STATUSES_SHOWN}"
PRIMARY = ("host", "service", "application", "device")
SECONDARY = ("check", "sensor")
# Fields of an alert that are no tags. `seconday_property` is the spelling of an old example of BigPanda.
STRUCTURE = frozenset(
    {
        "app_key",
        "status",
        "timestamp",
        "incident_identifier",
        "primary_property",
        "secondary_property",
        "seconday_property",
    }
)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)  # a clock can be wrong by hours; a time further ahead is refused
NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


def normalize(item: dict[str, Any], *, received_at: datetime, may_follow: bool = False) -> IncomingEvent:
    """Return an alert object as an event, repaired where possible. Each repair is a note of the event.

    With `may_follow`, an event that names its alert by identifier needs no primary property and keeps that of the
    alert. Raise EventRejected for a missing or unknown status and for a missing primary property.
    """
    notes: list[Note] = []
    status = _status(item.get("status"))
    tags = _tags(item, notes)
    incident_identifier = _text(item, "incident_identifier", notes)
    follows = (
        may_follow and incident_identifier and not any(map(tags.get, (_text(item, "primary_property", []), *PRIMARY)))
    )
    primary = "" if follows else _primary(item, tags, notes)
    secondary = _secondary(item, tags, notes)
    occurred_at = _timestamp(item.get("timestamp"), received_at, notes)
    return IncomingEvent.of(
        status=status,
        tags=tags,
        primary_property=primary,
        secondary_property=secondary,
        incident_identifier=incident_identifier,
        occurred_at=occurred_at,
        notes=tuple(notes),
    )


def _status(value: object) -> Status:
    if value is None or value == "":
        raise EventRejected("status", STATUS_REQUIRED)
    found = STATUSES.get(value) or STATUSES.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise EventRejected("status", f"must be {STATUSES_SHOWN}, not {_quoted(value)}")
    return found


def _primary(item: dict[str, Any], tags: Tags, notes: list[Note]) -> str:
    """Return the name of the primary property, sent or by default (docs/wire-contract.md §3.1)."""
    named = _property_name(item, "primary_property", tags, notes)
    for name in (named, *PRIMARY):
        if tags.get(name):
            return name
    raise EventRejected(
        "primary_property",
        "one of host, service, application, device is required with a value, or primary_property naming another tag that is sent",
    )


def _secondary(item: dict[str, Any], tags: Tags, notes: list[Note]) -> str:
    field = "secondary_property" if "secondary_property" in item else "seconday_property"
    named = _property_name(item, field, tags, notes)
    for name in (named, *SECONDARY):
        if tags.get(name):
            return name
    return ""


def _property_name(item: dict[str, Any], field: str, tags: Tags, notes: list[Note]) -> str:
    if field not in item:
        return ""
    name = _text(item, field, notes)
    if name and not tags.get(name):
        notes.append(Note(field, f"names {_quoted(name)}, which is not among the tags sent; the default was used"))
    return name


def _text(item: dict[str, Any], field: str, notes: list[Note]) -> str:
    """Return a field that is no tag as trimmed text; empty if absent."""
    if field not in item:
        return ""
    value = _value(item.get(field), field, VALUE_LIMIT, notes)
    if isinstance(value, list):
        return " | ".join(value)
    return value or ""


def _tags(item: dict[str, Any], notes: list[Note]) -> Tags:
    tags: Tags = {}
    for sent_name, sent in item.items():
        if sent_name in STRUCTURE:
            continue
        is_plain = len(sent_name) <= NAME_LIMIT and sent_name.isascii() and sent_name.isidentifier()
        name = sent_name if is_plain else _tag_name(sent_name, notes)
        if len(tags) == TAGS_LIMIT and name not in tags:
            notes.append(Note("tags", f"only the first {TAGS_LIMIT} tags were kept"))
            break
        limit = DESCRIPTION_LIMIT if name == "description" else VALUE_LIMIT
        value = (sent if _is_plain(sent, limit) else _value(sent, name, limit, notes)) if name else None
        if value is None:
            continue
        if name in tags:
            notes.append(Note(name, "was sent twice; the last value was kept"))
        tags[name] = value
    return tags


def _is_plain(sent: object, limit: int) -> TypeGuard[str]:
    """Return whether a value is text that needs no repair. Most values are, so this check comes first."""
    return type(sent) is str and len(sent) <= limit and sent.isascii() and sent.isprintable() and sent.strip() == sent


def _tag_name(sent: str, notes: list[Note]) -> str:
    """Return the name of a tag, or empty text for a name of nothing but spaces: such a tag is dropped."""
    name = _clean(sent, "a tag's name", notes).strip()
    if not name:
        notes.append(Note("tags", "a tag without a name was dropped"))
    elif len(name) > NAME_LIMIT:
        notes.append(Note(name[:NAME_LIMIT], f"the tag's name was cut to {NAME_LIMIT} characters"))
    return name[:NAME_LIMIT]


def _value(sent: object, name: str, limit: int, notes: list[Note]) -> str | list[str] | None:
    """Return the value of a tag as text or a list of texts, or None for a tag that is dropped."""
    match sent:
        case None:
            return None
        case dict():
            notes.append(Note(name, "nested objects are not supported; the tag was dropped"))
            return None
        case list():
            items = [
                _scalar(each, name, limit, notes) for each in sent[:ITEMS_LIMIT] if not isinstance(each, dict | list)
            ]
            if len(sent) > ITEMS_LIMIT:
                notes.append(Note(name, f"only the first {ITEMS_LIMIT} of {len(sent)} items were kept"))
            if any(isinstance(each, dict | list) for each in sent[:ITEMS_LIMIT]):
                notes.append(Note(name, "nested items are not supported and were dropped"))
            return [each for each in items if each is not None]
        case _:
            return _scalar(sent, name, limit, notes)


def _scalar(sent: object, name: str, limit: int, notes: list[Note]) -> str | None:
    match sent:
        case None:
            return None
        case bool():
            return "true" if sent else "false"
        case int():
            text = str(sent)
        case float() if not math.isfinite(sent):
            notes.append(Note(name, "is no finite number; the tag was dropped"))
            return None
        case float():
            text = repr(int(sent)) if sent.is_integer() and abs(sent) < 1e15 else repr(sent)
        case _:
            text = _clean(str(sent), name, notes).strip()
    if len(text) > limit:
        notes.append(Note(name, f"was cut from {len(text):,} to {limit:,} characters"))
        text = text[:limit]
    return text


def _clean(text: str, name: str, notes: list[Note]) -> str:
    """Replace NUL and lone surrogates, which databases do not store, by U+FFFD."""
    if not NOT_TEXT.search(text):
        return text
    notes.append(Note(name, "characters that are not text (NUL, lone surrogates) were replaced"))
    return NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)


def _timestamp(value: object, received_at: datetime, notes: list[Note]) -> datetime | None:
    """Return the timestamp of an event, or None for a missing, unreadable or impossible one."""
    if value is None or value == "":
        return None
    moment = as_moment(value)
    if moment is None:
        notes.append(
            Note(
                "timestamp",
                f"{_quoted(value)} is no Unix time in seconds and no RFC 3339 time; the time of receipt was used",
            )
        )
    elif not EARLIEST <= moment <= received_at + AHEAD:
        notes.append(Note("timestamp", f"{_quoted(value)} cannot be true; the time of receipt was used"))
        moment = None
    elif abs(moment - received_at) > timedelta(minutes=5) and moment > received_at:
        notes.append(
            Note("timestamp", f"lies {moment - received_at} ahead of the time of receipt: the sender's clock is skewed")
        )
    return moment


def as_moment(value: object) -> datetime | None:
    """Return a time from Unix seconds or milliseconds (above 1e11), as number or text, or from RFC 3339. Else None."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return _rfc3339(str(value).strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, UTC)
    except (OverflowError, ValueError, OSError):  # too large, not a number, not on this system's calendar
        return None


def _rfc3339(text: str) -> datetime | None:
    """Return a time from RFC 3339 text. Nanoseconds are cut to microseconds; without an offset the zone is UTC."""
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        return None


def _quoted(value: object) -> str:
    text = "an array" if isinstance(value, list) else "an object" if isinstance(value, dict) else str(value)
    text = NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"
