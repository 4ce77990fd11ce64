"""What senders post to Opsgenie's Alert API: create, and close or acknowledge by alias."""

from __future__ import annotations

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, an_object, dig, mapping, pairs, required, said, severity, text

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
    tags = {
        **dict(pairs(words if isinstance(words, list) else [])),
        **{name: value for name, value in details.items() if not isinstance(value, dict)},
        "host": text(details, "host") or text(body, "entity"),
        "service": text(body, "source") or "Opsgenie",
        "check": message,
        "description": text(body, "description") or message,
        "priority": text(body, "priority"),
    }
    primary = "host" if tags["host"] else "service"
    return [
        said(
            severity(body.get("priority"), "warning"), tags, primary=primary, identifier=text(body, "alias") or message
        )
    ]
