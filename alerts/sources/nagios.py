"""Nagios, Naemon and Icinga: Nagios macros as a form or JSON, as our notification command posts them.

The payload of BigPanda's own integration, `{"events": […]}`, is read as well.
"""

from __future__ import annotations

from typing import Any

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, alert_object, as_object, objects_at, required, text_at

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
    """Return one alert per event. Host and service are the identity (docs/wire-contract.md §9.3)."""
    body = as_object(payload)
    if "events" not in body:
        return [_alert(body)]
    events = objects_at(body, "events")
    if not events:
        raise EventRejected("events", "must be an array with at least one event object")
    return [_alert(event) for event in events]


def _alert(event: dict[str, Any]) -> AlertObject:
    # Some senders keep the spelling of Nagios: HOSTNAME for host_name, SERVICEDESC for service_description.
    event = {_name(name): value for name, value in event.items()}
    service = text_at(event, "service_description")
    tags = {
        **{name: value for name, value in event.items() if name not in KNOWN},
        "host": required(event, "host_name"),
        "check": service or "Host state",
        "description": text_at(event, "output"),
        "details": text_at(event, "long_output"),
        "address": text_at(event, "address"),
        "groups": [group.strip() for group in text_at(event, "groups", "host_groups").split(",") if group.strip()],
        "runbook": text_at(event, "notes_url"),
        "action": text_at(event, "action_url"),
        "source_url": text_at(event, "url"),
        "acknowledged_by": text_at(event, "author"),
        "comment": text_at(event, "comment"),
        "attempt": text_at(event, "attempt"),
    }
    return alert_object(_status(event), tags, at=text_at(event, "timestamp"))


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
    kind = text_at(event, "notification_type").upper()
    if kind == "RECOVERY":
        return "ok"
    if kind == "ACKNOWLEDGEMENT":
        return "acknowledged"
    state = required(event, "state").lower()
    state = {"0": "ok", "1": "warning", "2": "critical", "3": "unknown"}.get(state, state)
    if state not in STATES:
        raise EventRejected("state", "must be OK, WARNING, CRITICAL, UNKNOWN, UP, DOWN or UNREACHABLE")
    return STATES[state]
