"""Functions that read payloads of any shape. The functions raise nothing but EventRejected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alerts.events import EventRejected
from alerts.sources.bigpanda import STRUCTURE

# An alert as the Alerts API takes it (docs/wire-contract.md §2.3). Every source returns such alerts.
AlertObject = dict[str, Any]

# Words for severities in the payloads of tools, each with its status. An unknown word means critical
# (docs/wire-contract.md §9.3).
SEVERITIES = {
    **dict.fromkeys(("critical", "crit", "page", "fatal", "emergency", "disaster", "high", "error", "down", "p1", "p2", "sev1"), "critical"),
    **dict.fromkeys(("warning", "warn", "average", "medium", "moderate", "minor", "low", "info", "information", "informational"), "warning"),
    **dict.fromkeys(("notice", "debug", "p3", "p4", "p5", "sev2", "sev3", "degraded"), "warning"),
    **dict.fromkeys(("ok", "okay", "resolved", "recovered", "recovery", "up", "normal", "closed", "good", "clear", "cleared"), "ok"),
    **dict.fromkeys(("unknown", "no data", "nodata", "no_data", "insufficient_data", "unreachable"), "unknown"),
    **dict.fromkeys(("acknowledged", "ack", "acknowledge"), "acknowledged"),
}  # fmt: skip


def severity(word: object, default: str = "critical") -> str:
    """Return the status for a word that a tool uses for a severity."""
    return SEVERITIES.get(word.strip().lower(), default) if isinstance(word, str) else default


def value_at(payload: object, path: str) -> Any:
    """Return the value at a dotted path, or None. A number in the path is an index into an array."""
    for step in path.split("."):
        if isinstance(payload, Mapping):
            payload = payload.get(step)
        elif isinstance(payload, list) and step.isdecimal() and len(step) < 6 and int(step) < len(payload):
            payload = payload[int(step)]
        else:
            return None
    return payload


def text_at(payload: object, *paths: str) -> str:
    """Return the first value at these paths that is text or a number and not empty, as text."""
    for path in paths:
        value = value_at(payload, path)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float) and (found := str(value).strip()):
            return found
    return ""


def object_at(payload: object, path: str) -> dict[str, Any]:
    value = value_at(payload, path)
    return value if isinstance(value, dict) else {}


def objects_at(payload: object, path: str) -> list[dict[str, Any]]:
    """Return the objects of an array, without its other items."""
    value = value_at(payload, path)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def as_object(payload: object) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise EventRejected("payload", "must be a JSON object")
    return payload


def required(payload: object, *paths: str) -> str:
    """Return the same as `text_at`. Raise EventRejected for an empty result."""
    found = text_at(payload, *paths)
    if not found:
        raise EventRejected(paths[0], "is required" if len(paths) == 1 else f"or {' or '.join(paths[1:])} is required")
    return found


def pairs(items: Iterable[object], separator: str = ":") -> Iterator[tuple[str, str]]:
    """Yield tags from texts `name:value`. A text without a value is a tag with the value `true`."""
    for item in items:
        if isinstance(item, str) and item.strip():
            name, _, value = item.strip().partition(separator)
            yield name.strip(), value.strip() or "true"


def alert_object(
    status: str,
    tags: Mapping[str, Any],
    *,
    primary: str = "host",
    secondary: str = "check",
    identifier: str = "",
    at: object = None,
) -> AlertObject:
    """Return an alert object without empty tags and without an App Key.

    A tag whose name is a field of the Alerts API, such as `status`, is kept as `sent_status`.
    """
    kept = {
        f"sent_{name}" if name in STRUCTURE else name: value
        for name, value in tags.items()
        if value not in (None, "", [], {}) and name != "app_key"
    }
    fields = {
        "status": status,
        "primary_property": primary if primary in kept else "",
        "secondary_property": secondary if secondary in kept else "",
        "incident_identifier": identifier,
        "timestamp": at,
    }
    return {name: value for name, value in fields.items() if value not in (None, "")} | kept


def host_of(address: str) -> str:
    """Return the host of `host:port`, of a URL, or of a host alone."""
    address = address.partition("://")[2] or address
    address = address.partition("/")[0].rpartition("@")[2]
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


_STATE = re.compile(r"^\[(?:firing|resolved|alerting|ok|triggered|recovered)[^\]]*\]\s*", re.IGNORECASE)


def without_state(title: str) -> str:
    """Return a title without a leading `[FIRING:1]`, so that a problem and its end have the same title."""
    return _STATE.sub("", title).strip() or title
