"""What senders post to PagerDuty's Events API v2: trigger, acknowledge, resolve."""

from __future__ import annotations

from alerts.events import EventRejected, fingerprint
from alerts.sources.reading import (
    AlertObject,
    an_object,
    mapping,
    objects,
    required,
    said,
    severity,
    text,
    without_state,
)

ACTIONS = {"acknowledge": "acknowledged", "resolve": "ok"}


def normalize(payload: object) -> list[AlertObject]:
    """`dedup_key` is the identity. One that is not sent is made of what is said, so that a retry is no new alert."""
    body = an_object(payload)
    action = required(body, "event_action")
    if action not in ("trigger", *ACTIONS):
        raise EventRejected("event_action", "must be trigger, acknowledge or resolve")
    if action != "trigger":  # it follows the alert that the key names, and leaves its name alone
        tags = {"description": text(body, "payload.summary")}
        return [said(ACTIONS[action], tags, identifier=required(body, "dedup_key"), at=text(body, "payload.timestamp"))]
    told = mapping(body, "payload")
    summary, source = required(told, "summary"), required(told, "source")
    parts = (source, text(told, "component"), text(told, "class"), summary)
    links = {text(link, "text") or f"link {n}": text(link, "href") for n, link in enumerate(objects(body, "links"), 1)}
    images = {
        text(image, "alt") or f"image {n}": text(image, "src") for n, image in enumerate(objects(body, "images"), 1)
    }
    details = {name: value for name, value in mapping(told, "custom_details").items() if not isinstance(value, dict)}
    tags = {
        **details,
        **images,
        **links,
        "host": source,
        "check": text(told, "class", "component") or without_state(summary),
        "description": summary,
        "component": text(told, "component"),
        "group": text(told, "group"),
        "severity": text(told, "severity"),
        "client": text(body, "client"),
        "source_url": text(body, "client_url"),
    }
    key = text(body, "dedup_key") or fingerprint("\0".join(parts).encode("utf-8", "replace").decode())
    return [said(severity(told.get("severity")), tags, identifier=key, at=text(told, "timestamp"))]
