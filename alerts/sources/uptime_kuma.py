"""Uptime Kuma: the webhook notification."""

from __future__ import annotations

from alerts.events import EventRejected
from alerts.sources.reading import (
    AlertObject,
    alert_object,
    as_object,
    host_of,
    object_at,
    objects_at,
    required,
    text_at,
)

STATES = {"0": "critical", "1": "ok", "2": "warning", "3": "ok"}  # down, up, pending, maintenance


def normalize(payload: object) -> list[AlertObject]:
    body = as_object(payload)
    monitor, beat = object_at(body, "monitor"), object_at(body, "heartbeat")
    if not monitor:  # the test button sends no monitor
        return [
            alert_object(
                "ok", {"host": "Uptime Kuma", "check": "Test", "description": required(body, "msg", "monitor")}
            )
        ]
    status = STATES.get(required(beat, "status"))
    if status is None:
        raise EventRejected("heartbeat.status", "must be 0, 1, 2 or 3")
    url = text_at(monitor, "url")
    url = url if url.startswith(("http://", "https://")) and len(url) > len("https://") else ""
    time = text_at(beat, "time")
    tags = {
        **{
            text_at(tag, "name"): text_at(tag, "value") or "true"
            for tag in objects_at(monitor, "tags")
            if text_at(tag, "name")
        },
        "host": text_at(monitor, "hostname") or host_of(url) or text_at(monitor, "name"),
        "check": required(monitor, "name"),
        "description": text_at(beat, "msg") or text_at(body, "msg"),
        "type": text_at(monitor, "type"),
        "target": url,
    }
    # The time is in UTC and has no zone.
    return [
        alert_object(
            status, tags, identifier=f"monitor {required(monitor, 'id')}", at=time and f"{time.replace(' ', 'T')}Z"
        )
    ]
