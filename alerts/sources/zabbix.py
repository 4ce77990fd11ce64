"""Zabbix: the webhook media type with the parameters that the script of our setup posts (since 5.0)."""

from __future__ import annotations

from typing import Any

from alerts.sources.reading import AlertObject, alert_object, as_object, objects_at, pairs, required, text_at

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
    """Return one alert for a trigger. A recovery (`event_value` 0) ends it, an acknowledgement acknowledges it."""
    body = as_object(payload)
    trigger = required(body, "trigger_id", "event_id")
    tags = {
        **_tags(body),
        "host": required(body, "host_name", "host"),
        "check": required(body, "trigger_name", "event_name", "name"),
        "description": text_at(body, "operational_data", "event_opdata", "message", "trigger_description"),
        "details": text_at(body, "trigger_description"),
        "item": text_at(body, "item_name"),
        "value": text_at(body, "item_value"),
        "severity": text_at(body, "event_severity", "severity"),
        "address": text_at(body, "host_ip"),
        "groups": [group.strip() for group in text_at(body, "host_groups").split(",") if group.strip()],
        "event_id": text_at(body, "event_id"),
        "source_url": text_at(body, "event_url") or _event_url(body, trigger),
        "runbook": text_at(body, "trigger_url"),
        "acknowledged_by": text_at(body, "event_update_user"),
    }
    return [alert_object(_status(body), tags, identifier=f"trigger {trigger}", at=text_at(body, "timestamp"))]


def _status(body: dict[str, Any]) -> str:
    if text_at(body, "event_value") == "0":
        return "ok"
    if text_at(body, "event_update_status") == "1" and text_at(body, "event_ack_status").lower() in ("yes", "1"):
        return "acknowledged"
    word = text_at(body, "event_severity", "severity").lower()
    number = text_at(body, "event_nseverity")
    if number in "012345" and number:
        word = NUMBERS[int(number)]
    return SEVERITIES.get(word, "critical")


def _tags(body: dict[str, Any]) -> dict[str, str]:
    """Return the tags of an event: {EVENT.TAGSJSON} is an array of objects, {EVENT.TAGS} is text with commas."""
    named = {
        text_at(tag, "tag"): text_at(tag, "value") or "true"
        for tag in objects_at(body, "event_tags")
        if text_at(tag, "tag")
    }
    return named or dict(pairs(text_at(body, "event_tags").split(",")))


def _event_url(body: dict[str, Any], trigger: str) -> str:
    server, event = text_at(body, "zabbix_url").rstrip("/"), text_at(body, "event_id")
    return f"{server}/tr_events.php?triggerid={trigger}&eventid={event}" if server and event else ""
