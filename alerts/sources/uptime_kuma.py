"""Uptime Kuma's webhook notification."""

from __future__ import annotations

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, an_object, host_of, mapping, objects, required, said, text

STATES = {"0": "critical", "1": "ok", "2": "warning", "3": "ok"}  # down, up, pending, maintenance


def normalize(payload: object) -> list[AlertObject]:
    body = an_object(payload)
    monitor, beat = mapping(body, "monitor"), mapping(body, "heartbeat")
    if not monitor:  # its test button, which speaks of no monitor
        return [said("ok", {"host": "Uptime Kuma", "check": "Test", "description": required(body, "msg", "monitor")})]
    status = STATES.get(required(beat, "status"))
    if status is None:
        raise EventRejected("heartbeat.status", "must be 0, 1, 2 or 3")
    url = text(monitor, "url")
    url = url if url.startswith(("http://", "https://")) and len(url) > len("https://") else ""
    time = text(beat, "time")
    tags = {
        **{text(tag, "name"): text(tag, "value") or "true" for tag in objects(monitor, "tags") if text(tag, "name")},
        "host": text(monitor, "hostname") or host_of(url) or text(monitor, "name"),
        "check": required(monitor, "name"),
        "description": text(beat, "msg") or text(body, "msg"),
        "type": text(monitor, "type"),
        "target": url,
    }
    # Its time is UTC and does not say so.
    return [
        said(status, tags, identifier=f"monitor {required(monitor, 'id')}", at=time and f"{time.replace(' ', 'T')}Z")
    ]
