"""PagerDuty senders: the events of PagerDuty's Events API v2 that trigger, acknowledge or resolve an alert."""

from __future__ import annotations

from http import HTTPStatus

from alerts.events import EventRejected, fingerprint
from alerts.sources.reading import (
    AlertObject,
    alert_object,
    as_object,
    object_at,
    objects_at,
    required,
    severity,
    text_at,
    without_state,
)

ACTIONS = {"acknowledge": "acknowledged", "resolve": "ok"}


def normalize(payload: object) -> list[AlertObject]:
    """Return one alert by `dedup_key`. A missing key is computed from the content, so that a retry is no new alert."""
    body = as_object(payload)
    action = required(body, "event_action")
    if action not in ("trigger", *ACTIONS):
        raise EventRejected("event_action", "must be trigger, acknowledge or resolve")
    if action != "trigger":  # the event has no primary property: it keeps that of the alert that the key names
        tags = {"description": text_at(body, "payload.summary")}
        return [
            alert_object(
                ACTIONS[action], tags, identifier=required(body, "dedup_key"), at=text_at(body, "payload.timestamp")
            )
        ]
    event = object_at(body, "payload")
    summary, source = required(event, "summary"), required(event, "source")
    parts = (source, text_at(event, "component"), text_at(event, "class"), summary)
    links = {
        text_at(link, "text") or f"link {n}": text_at(link, "href")
        for n, link in enumerate(objects_at(body, "links"), 1)
    }
    images = {
        text_at(image, "alt") or f"image {n}": text_at(image, "src")
        for n, image in enumerate(objects_at(body, "images"), 1)
    }
    details = {name: value for name, value in object_at(event, "custom_details").items() if not isinstance(value, dict)}
    tags = {
        **details,
        **images,
        **links,
        "host": source,
        "check": text_at(event, "class", "component") or without_state(summary),
        "description": summary,
        "component": text_at(event, "component"),
        "group": text_at(event, "group"),
        "severity": text_at(event, "severity"),
        "client": text_at(body, "client"),
        "source_url": text_at(body, "client_url"),
    }
    key = text_at(body, "dedup_key") or fingerprint("\0".join(parts).encode("utf-8", "replace").decode())
    return [alert_object(severity(event.get("severity")), tags, identifier=key, at=text_at(event, "timestamp"))]


def reply(alerts: list[AlertObject]) -> tuple[HTTPStatus, dict[str, object]]:
    """Return the reply of PagerDuty's Events API, which names the key of the alert."""
    return HTTPStatus.ACCEPTED, {
        "status": "success",
        "message": "Event processed",
        "dedup_key": alerts[0]["incident_identifier"],
    }
