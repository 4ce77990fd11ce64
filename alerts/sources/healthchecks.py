"""Healthchecks' webhook, with the body of our setup: its $JSON, status and time."""

from __future__ import annotations

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, an_object, mapping, pairs, required, said, text


def normalize(payload: object) -> list[AlertObject]:
    body = an_object(payload)
    check = mapping(body, "check") or body
    state = required(body, "status").lower()
    if state not in ("up", "down"):
        raise EventRejected("status", "must be up or down")
    name = text(check, "name") or required(check, "slug", "code", "uuid", "unique_key")
    tags = {
        **dict(pairs(text(check, "tags").split(" "))),
        "service": name,
        "check": "Heartbeat",
        "description": text(check, "desc") or f"{name} is {state}",
        "schedule": text(check, "schedule"),
        "last_ping": text(check, "last_ping"),
        "source_url": text(body, "url") or text(check, "details_url"),
    }
    identifier = f"check {required(check, 'code', 'uuid', 'unique_key', 'slug', 'name')}"
    status = "ok" if state == "up" else "critical"
    return [said(status, tags, primary="service", identifier=identifier, at=text(body, "time"))]
