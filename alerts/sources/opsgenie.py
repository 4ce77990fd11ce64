"""What senders post to Opsgenie's Alert API: create, and close or acknowledge by alias."""

from __future__ import annotations

from alerts.events import EventRejected
from alerts.sources.reading import (
    AlertObject,
    an_object,
    dig,
    host_of,
    mapping,
    pairs,
    required,
    said,
    severity,
    text,
    without_state,
)

ACTIONS = {"close": "ok", "acknowledge": "acknowledged"}


def normalize(payload: object) -> list[AlertObject]:
    """`action` and, for what follows a create, `alias` stand in the URL; the door puts them into the payload."""
    body = an_object(payload)
    action = text(body, "action") or "create"
    if action not in ("create", *ACTIONS):
        raise EventRejected("action", "must be create, close or acknowledge")
    if action != "create":
        return [said(ACTIONS[action], {"comment": text(body, "note")}, identifier=required(body, "alias"))]
    message = required(body, "message")
    words = dig(body, "tags")
    details = mapping(body, "details")
    source = text(body, "source")
    is_address = source.startswith(("http://", "https://"))  # Alertmanager says so who it is
    tags = {
        **dict(pairs(words if isinstance(words, list) else [])),
        **{name: value for name, value in details.items() if not isinstance(value, dict)},
        "host": text(details, "host") or host_of(text(details, "instance")) or text(body, "entity"),
        "service": "Opsgenie" if is_address or not source else source,
        "check": without_state(message),
        "description": text(body, "description") or message,
        "priority": text(body, "priority"),
        "source_url": source if is_address else "",
    }
    status = severity(text(body, "priority") or text(details, "severity"), "warning")
    primary = "host" if tags["host"] else "service"
    return [said(status, tags, primary=primary, identifier=text(body, "alias") or message)]
