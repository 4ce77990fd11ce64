"""PRTG's HTTP action, a form with the fields of BigPanda's own setup (docs/wire-contract.md §9.3)."""

from __future__ import annotations

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, an_object, required, said, text

STATES = {
    "up": "ok",
    "down": "critical",
    "down (partial)": "critical",
    "partial down": "critical",
    "down (acknowledged)": "acknowledged",
    "warning": "warning",
    "unusual": "warning",
    "unknown": "unknown",
    "no data": "unknown",
    "paused": "ok",
}


def normalize(payload: object) -> list[AlertObject]:
    """A sensor is an alert. PRTG tells of an end in words: `Down ended (now: Up)`."""
    body = an_object(payload)
    said_state = required(body, "status")
    state = said_state.rpartition("now:")[2].strip(" )") if "now:" in said_state else said_state
    status = STATES.get(state.lower().removesuffix(" escalation").strip())
    if status is None:
        raise EventRejected("status", f"must be one of {', '.join(STATES)}")
    tags = {
        "host": text(body, "device") or required(body, "host"),
        "check": text(body, "sensor", "name"),
        "address": text(body, "host"),
        "description": text(body, "message"),
        "group": text(body, "group"),
        "priority": text(body, "prio"),
        "down_since": text(body, "since"),
        "source_url": text(body, "linksensor"),
        "device_url": text(body, "linkdevice"),
        "prtg": text(body, "home"),
    }
    sensor = text(body, "sensorid")
    return [said(status, tags, identifier=f"sensor {sensor}" if sensor else "")]
