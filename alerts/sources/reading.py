"""Reading what strangers send: whatever the shape, nothing here raises but EventRejected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alerts.events import EventRejected
from alerts.sources.bigpanda import STRUCTURE

# An alert as the Alerts API takes it (docs/wire-contract.md §2.3), which is what every source makes of its tool's payload.
AlertObject = dict[str, Any]

# What tools call their severities. Active and not known means critical (docs/wire-contract.md §9.3, `default_to`).
SEVERITIES = {
    **dict.fromkeys(("critical", "crit", "page", "fatal", "emergency", "disaster", "high", "error", "down", "p1", "p2", "sev1"), "critical"),
    **dict.fromkeys(("warning", "warn", "average", "medium", "moderate", "minor", "low", "info", "information", "informational"), "warning"),
    **dict.fromkeys(("notice", "debug", "p3", "p4", "p5", "sev2", "sev3", "degraded"), "warning"),
    **dict.fromkeys(("ok", "okay", "resolved", "recovered", "recovery", "up", "normal", "closed", "good", "clear", "cleared"), "ok"),
    **dict.fromkeys(("unknown", "no data", "nodata", "no_data", "insufficient_data", "unreachable"), "unknown"),
    **dict.fromkeys(("acknowledged", "ack", "acknowledge"), "acknowledged"),
}  # fmt: skip


def severity(word: object, default: str = "critical") -> str:
    """The status that a tool's word for a severity means."""
    return SEVERITIES.get(word.strip().lower(), default) if isinstance(word, str) else default


def dig(payload: object, path: str) -> Any:
    """What stands under a dotted path; None where nothing does. Numbers address items of arrays."""
    for step in path.split("."):
        if isinstance(payload, Mapping):
            payload = payload.get(step)
        elif isinstance(payload, list) and step.isdecimal() and len(step) < 6 and int(step) < len(payload):
            payload = payload[int(step)]
        else:
            return None
    return payload


def text(payload: object, *paths: str) -> str:
    """The first value under these paths that is text or a number and not empty."""
    for path in paths:
        value = dig(payload, path)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float) and (found := str(value).strip()):
            return found
    return ""


def mapping(payload: object, path: str) -> dict[str, Any]:
    value = dig(payload, path)
    return value if isinstance(value, dict) else {}


def objects(payload: object, path: str) -> list[dict[str, Any]]:
    """The objects of an array, whatever else stands in it."""
    value = dig(payload, path)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def an_object(payload: object) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise EventRejected("payload", "must be a JSON object")
    return payload


def required(payload: object, *paths: str) -> str:
    """As `text`. Raises EventRejected where there is none."""
    found = text(payload, *paths)
    if not found:
        raise EventRejected(paths[0], "is required" if len(paths) == 1 else f"or {' or '.join(paths[1:])} is required")
    return found


def pairs(items: Iterable[object], separator: str = ":") -> Iterator[tuple[str, str]]:
    """Tags written as `name:value`; a word alone is a tag that says `true`."""
    for item in items:
        if isinstance(item, str) and item.strip():
            name, _, value = item.strip().partition(separator)
            yield name.strip(), value.strip() or "true"


def said(
    status: str,
    tags: Mapping[str, Any],
    *,
    primary: str = "host",
    secondary: str = "check",
    identifier: str = "",
    at: object = None,
) -> AlertObject:
    """An alert object. Empty tags are left out; one with a name that steers alerts ("status") is kept as `sent_status`, and an App Key never."""
    kept = {
        f"sent_{name}" if name in STRUCTURE else name: value
        for name, value in tags.items()
        if value not in (None, "", [], {}) and name != "app_key"
    }
    steering = {
        "status": status,
        "primary_property": primary if primary in kept else "",
        "secondary_property": secondary if secondary in kept else "",
        "incident_identifier": identifier,
        "timestamp": at,
    }
    return {name: value for name, value in steering.items() if value not in (None, "")} | kept


def host_of(address: str) -> str:
    """The host of `host:port`, of a URL, or of what is a host already."""
    address = address.partition("://")[2] or address
    address = address.partition("/")[0].rpartition("@")[2]
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


_STATE = re.compile(r"^\[(?:firing|resolved|alerting|ok|triggered|recovered)[^\]]*\]\s*", re.IGNORECASE)


def without_state(title: str) -> str:
    """A title without the `[FIRING:1]` before it, so that it is the same when it is over."""
    return _STATE.sub("", title).strip() or title
