"""Zabbix's webhook media type, with the parameters that our script posts (since 5.0)."""

from __future__ import annotations

from typing import Any

from alerts.sources.reading import AlertObject, an_object, objects, pairs, required, said, text

SEVERITIES = {
    "disaster": "critical",
    "high": "critical",
    "average": "warning",
    "warning": "warning",
    "information": "warning",
    "not classified": "unknown",
}
NUMBERS = ("not classified", "information", "warning", "average", "high", "disaster")


def normalize(payload: object) -> list[AlertObject]:
    """A trigger is an alert: its problem fires, its recovery (`event_value` 0) ends, an acknowledged update acknowledges."""
    body = an_object(payload)
    trigger = required(body, "trigger_id", "event_id")
    tags = {
        **_tags(body),
        "host": required(body, "host_name", "host"),
        "check": required(body, "trigger_name", "event_name", "name"),
        "description": text(body, "operational_data", "event_opdata", "message", "trigger_description"),
        "details": text(body, "trigger_description"),
        "item": text(body, "item_name"),
        "value": text(body, "item_value"),
        "severity": text(body, "event_severity", "severity"),
        "address": text(body, "host_ip"),
        "groups": [group.strip() for group in text(body, "host_groups").split(",") if group.strip()],
        "event_id": text(body, "event_id"),
        "source_url": text(body, "event_url") or _event_url(body, trigger),
        "runbook": text(body, "trigger_url"),
        "acknowledged_by": text(body, "event_update_user"),
    }
    return [said(_status(body), tags, identifier=f"trigger {trigger}", at=text(body, "timestamp"))]


def _status(body: dict[str, Any]) -> str:
    if text(body, "event_value") == "0":
        return "ok"
    if text(body, "event_update_status") == "1" and text(body, "event_ack_status").lower() in ("yes", "1"):
        return "acknowledged"
    word = text(body, "event_severity", "severity").lower()
    number = text(body, "event_nseverity")
    if number in "012345" and number:
        word = NUMBERS[int(number)]
    return SEVERITIES.get(word, "critical")


def _tags(body: dict[str, Any]) -> dict[str, str]:
    """{EVENT.TAGSJSON} is an array of objects, {EVENT.TAGS} is text with commas."""
    named = {text(tag, "tag"): text(tag, "value") or "true" for tag in objects(body, "event_tags") if text(tag, "tag")}
    return named or dict(pairs(text(body, "event_tags").split(",")))


def _event_url(body: dict[str, Any], trigger: str) -> str:
    server, event = text(body, "zabbix_url").rstrip("/"), text(body, "event_id")
    return f"{server}/tr_events.php?triggerid={trigger}&eventid={event}" if server and event else ""
