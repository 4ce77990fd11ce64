"""Opsgenie senders: the requests of Opsgenie's Alert API that create an alert, or close or acknowledge one by alias."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from alerts.events import EventRejected
from alerts.sources.reading import (
    AlertObject,
    alert_object,
    as_object,
    host_of,
    object_at,
    pairs,
    required,
    severity,
    text_at,
    value_at,
    without_state,
)

ACTIONS = {"close": "ok", "acknowledge": "acknowledged"}


def normalize(payload: object) -> list[AlertObject]:
    """Return one alert. The view copies `action` and `alias` from the URL into the payload."""
    body = as_object(payload)
    action = text_at(body, "action") or "create"
    if action not in ("create", *ACTIONS):
        raise EventRejected("action", "must be create, close or acknowledge")
    if action != "create":
        return [alert_object(ACTIONS[action], {"comment": text_at(body, "note")}, identifier=required(body, "alias"))]
    message = required(body, "message")
    words = value_at(body, "tags")
    details = object_at(body, "details")
    source = text_at(body, "source")
    is_address = source.startswith(("http://", "https://"))  # Alertmanager sends its own address as the source
    tags = {
        **dict(pairs(words if isinstance(words, list) else [])),
        **{name: value for name, value in details.items() if not isinstance(value, dict)},
        "host": text_at(details, "host") or host_of(text_at(details, "instance")) or text_at(body, "entity"),
        "service": "Opsgenie" if is_address or not source else source,
        "check": without_state(message),
        "description": text_at(body, "description") or message,
        "priority": text_at(body, "priority"),
        "source_url": source if is_address else "",
    }
    status = severity(text_at(body, "priority") or text_at(details, "severity"), "warning")
    primary = "host" if tags["host"] else "service"
    return [alert_object(status, tags, primary=primary, identifier=text_at(body, "alias") or message)]


def reply(alerts: list[AlertObject]) -> tuple[HTTPStatus, dict[str, object]]:
    """Return the reply of Opsgenie's Alert API, which accepts a request and names it."""
    return HTTPStatus.ACCEPTED, {
        "result": "Request will be processed",
        "took": 0.0,
        "requestId": str(uuid.uuid4()),
    }
