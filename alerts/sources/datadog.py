"""Datadog's webhook integration, with the payload of our setup, which is BigPanda's own (docs/wire-contract.md §9.3)."""

from __future__ import annotations

from typing import Any

from alerts.sources.reading import AlertObject, an_object, pairs, required, said, severity, text

TRANSITIONS = {
    "recovered": "ok",
    "resolved": "ok",
    "warn": "warning",
    "re-warn": "warning",
    "no data": "unknown",
    "re-no data": "unknown",
}


def normalize(payload: object) -> list[AlertObject]:
    """A monitor and its group are one alert, by `aggreg_key`; the transition decides, else the type of alert."""
    body = an_object(payload)
    title = required(body, "title", "event_title", "alert_title")
    tags = {
        **dict(pairs(_list(body.get("tags")))),
        "host": text(body, "host", "hostname"),
        "service": text(body, "scope", "alert_scope") or title,
        "check": text(body, "alert_title") or title.rpartition("] ")[2],
        "description": text(body, "body", "event_msg", "alert_status"),
        "metric": text(body, "alert_metric"),
        "query": text(body, "alert_query"),
        "priority": text(body, "priority"),
        "source_url": text(body, "link"),
        "snapshot": text(body, "snapshot"),
    }
    transition = text(body, "alert_transition", "transition").lower()
    status = TRANSITIONS.get(transition) or severity(text(body, "alert_type", "event_type", "alert_status"))
    if status == "ok" or text(body, "alert_type") == "success":
        status = "ok"
    return [
        said(
            status,
            tags,
            primary="host" if tags["host"] else "service",
            identifier=text(body, "aggreg_key", "alert_cycle_key", "alert_id"),
            at=text(body, "last_updated", "date"),
        )
    ]


def _list(tags: Any) -> list[Any]:
    return tags.split(",") if isinstance(tags, str) else tags if isinstance(tags, list) else []
