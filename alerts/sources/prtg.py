"""PRTG: the HTTP action, a form with the fields of BigPanda's setup (docs/wire-contract.md §9.3)."""

from __future__ import annotations

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, alert_object, as_object, required, text_at

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
    """Return one alert for a sensor. PRTG writes an end in words: `Down ended (now: Up)`."""
    body = as_object(payload)
    sent_state = required(body, "status")
    state = sent_state.rpartition("now:")[2].strip(" )") if "now:" in sent_state else sent_state
    status = STATES.get(state.lower().removesuffix(" escalation").strip())
    if status is None:
        raise EventRejected("status", f"must be one of {', '.join(STATES)}")
    tags = {
        "host": text_at(body, "device") or required(body, "host"),
        "check": text_at(body, "sensor", "name"),
        "address": text_at(body, "host"),
        "description": text_at(body, "message"),
        "group": text_at(body, "group"),
        "priority": text_at(body, "prio"),
        "down_since": text_at(body, "since"),
        "source_url": text_at(body, "linksensor"),
        "device_url": text_at(body, "linkdevice"),
        "prtg": text_at(body, "home"),
    }
    sensor = text_at(body, "sensorid")
    return [alert_object(status, tags, identifier=f"sensor {sensor}" if sensor else "")]
