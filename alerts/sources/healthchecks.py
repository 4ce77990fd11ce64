"""Healthchecks: the webhook with the body of our setup, which has $JSON, status and time."""

from __future__ import annotations

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, alert_object, as_object, object_at, pairs, required, text_at


def normalize(payload: object) -> list[AlertObject]:
    body = as_object(payload)
    check = object_at(body, "check") or body
    state = required(body, "status").lower()
    if state not in ("up", "down"):
        raise EventRejected("status", "must be up or down")
    name = text_at(check, "name") or required(check, "slug", "code", "uuid", "unique_key")
    tags = {
        **dict(pairs(text_at(check, "tags").split(" "))),
        "service": name,
        "check": "Heartbeat",
        "description": text_at(check, "desc") or f"{name} is {state}",
        "schedule": text_at(check, "schedule"),
        "last_ping": text_at(check, "last_ping"),
        "source_url": text_at(body, "url") or text_at(check, "details_url"),
    }
    identifier = f"check {required(check, 'code', 'uuid', 'unique_key', 'slug', 'name')}"
    status = "ok" if state == "up" else "critical"
    return [alert_object(status, tags, primary="service", identifier=identifier, at=text_at(body, "time"))]
