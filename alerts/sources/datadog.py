"""Datadog: the webhook integration with the payload of our setup, which is BigPanda's (docs/wire-contract.md §9.3)."""

from __future__ import annotations

from typing import Any

from alerts.sources.reading import AlertObject, alert_object, as_object, pairs, required, severity, text_at

TRANSITIONS = {
    "recovered": "ok",
    "resolved": "ok",
    "warn": "warning",
    "re-warn": "warning",
    "no data": "unknown",
    "re-no data": "unknown",
}


def normalize(payload: object) -> list[AlertObject]:
    """Return one alert per monitor and group, by `aggreg_key`. The transition decides the status, else the type."""
    body = as_object(payload)
    title = required(body, "title", "event_title", "alert_title")
    tags = {
        **dict(pairs(_list(body.get("tags")))),
        "host": text_at(body, "host", "hostname"),
        "service": text_at(body, "scope", "alert_scope") or title,
        "check": text_at(body, "alert_title") or title.rpartition("] ")[2],
        "description": text_at(body, "body", "event_msg", "alert_status"),
        "metric": text_at(body, "alert_metric"),
        "query": text_at(body, "alert_query"),
        "priority": text_at(body, "priority"),
        "source_url": text_at(body, "link"),
        "snapshot": text_at(body, "snapshot"),
    }
    transition = text_at(body, "alert_transition", "transition").lower()
    status = TRANSITIONS.get(transition) or severity(text_at(body, "alert_type", "event_type", "alert_status"))
    if status == "ok" or text_at(body, "alert_type") == "success":
        status = "ok"
    return [
        alert_object(
            status,
            tags,
            primary="host" if tags["host"] else "service",
            identifier=text_at(body, "aggreg_key", "alert_cycle_key", "alert_id"),
            at=text_at(body, "last_updated", "date"),
        )
    ]


def _list(tags: Any) -> list[Any]:
    return tags.split(",") if isinstance(tags, str) else tags if isinstance(tags, list) else []
