"""Nagios, Naemon and Icinga: what our notification command posts (a form or JSON of Nagios's own macros), and BigPanda's {"events": […]}."""

from __future__ import annotations

from typing import Any

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, an_object, objects, required, said, text

STATES = {
    "ok": "ok",
    "up": "ok",
    "warning": "warning",
    "critical": "critical",
    "down": "critical",
    "unreachable": "critical",
    "unknown": "unknown",
    # Checkmk's short forms
    "warn": "warning",
    "crit": "critical",
    "unkn": "unknown",
    "unreach": "critical",
}
KNOWN = frozenset(
    [
        "host_name",
        "service_description",
        "state",
        "notification_type",
        "output",
        "long_output",
        "timestamp",
        "address",
        "url",
        "notes_url",
        "action_url",
        "groups",
        "host_groups",
        "author",
        "comment",
        "attempt",
        "contact",
    ]
)


def normalize(payload: object) -> list[AlertObject]:
    """One alert for each host or service that is spoken of: identity is host and service (docs/wire-contract.md §9.3)."""
    body = an_object(payload)
    if "events" not in body:
        return [_alert(body)]
    events = objects(body, "events")
    if not events:
        raise EventRejected("events", "must be an array with at least one event object")
    return [_alert(event) for event in events]


def _alert(event: dict[str, Any]) -> AlertObject:
    # Macros come in Nagios's spelling too: HOSTNAME for host_name, SERVICEDESC for service_description.
    event = {_name(name): value for name, value in event.items()}
    service = text(event, "service_description")
    tags = {
        **{name: value for name, value in event.items() if name not in KNOWN},
        "host": required(event, "host_name"),
        "check": service or "Host state",
        "description": text(event, "output"),
        "details": text(event, "long_output"),
        "address": text(event, "address"),
        "groups": [group.strip() for group in text(event, "groups", "host_groups").split(",") if group.strip()],
        "runbook": text(event, "notes_url"),
        "action": text(event, "action_url"),
        "source_url": text(event, "url"),
        "acknowledged_by": text(event, "author"),
        "comment": text(event, "comment"),
        "attempt": text(event, "attempt"),
    }
    return said(_status(event), tags, at=text(event, "timestamp"))


SPELLINGS = {
    "hostname": "host_name",
    "host": "host_name",
    "servicedesc": "service_description",
    "service": "service_description",
    "servicestate": "state",
    "hoststate": "state",
    "serviceoutput": "output",
    "hostoutput": "output",
    "notificationtype": "notification_type",
    "timet": "timestamp",
    "hostaddress": "address",
    "hostgroupnames": "host_groups",
}


def _name(sent: str) -> str:
    name = sent.strip().strip("$").lower()
    return SPELLINGS.get(name, name)


def _status(event: dict[str, Any]) -> str:
    kind = text(event, "notification_type").upper()
    if kind == "RECOVERY":
        return "ok"
    if kind == "ACKNOWLEDGEMENT":
        return "acknowledged"
    state = required(event, "state").lower()
    state = {"0": "ok", "1": "warning", "2": "critical", "3": "unknown"}.get(state, state)
    if state not in STATES:
        raise EventRejected("state", "must be OK, WARNING, CRITICAL, UNKNOWN, UP, DOWN or UNREACHABLE")
    return STATES[state]
