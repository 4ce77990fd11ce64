"""Sentry: issue alerts, resolved issues and metric alerts of an internal integration, and the old webhook plug-in."""

from __future__ import annotations

from typing import Any

from alerts.events import EventRejected
from alerts.sources.reading import (
    AlertObject,
    alert_object,
    as_object,
    object_at,
    required,
    severity,
    text_at,
    value_at,
)


def normalize(payload: object) -> list[AlertObject]:
    body = as_object(payload)
    if alert := object_at(body, "data.metric_alert"):
        return [_metric(body, alert)]
    if event := object_at(body, "data.event"):
        return [_event(event, text_at(body, "data.triggered_rule"))]
    if issue := object_at(body, "data.issue"):
        return [_issue(issue, text_at(body, "action"))]
    if object_at(body, "event") and "project" in body:
        legacy = {
            **object_at(body, "event"),
            "issue_id": body.get("id"),
            "project": body.get("project_slug") or body.get("project"),
            "web_url": body.get("url"),
            "level": body.get("level"),
            "culprit": body.get("culprit"),
        }
        return [_event(legacy, "")]
    raise EventRejected("data", "must hold 'event', 'issue' or 'metric_alert'")


def _event(event: dict[str, Any], rule: str) -> AlertObject:
    pairs = value_at(event, "tags")
    named = {
        pair[0]: pair[1]
        for pair in (pairs if isinstance(pairs, list) else [])
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)
    }
    tags = {
        **named,
        **_names(text_at(event, "project_slug", "project_name", "project") or "Sentry", event),
        "description": text_at(event, "message", "metadata.value", "title"),
        "environment": text_at(event, "environment"),
        "rule": rule,
        "source_url": text_at(event, "web_url", "issue_url", "url"),
    }
    identifier = f"issue {required(event, 'issue_id', 'groupID', 'event_id')}"
    at = text_at(event, "datetime", "timestamp")
    return alert_object(severity(event.get("level")), tags, primary="service", identifier=identifier, at=at)


def _issue(issue: dict[str, Any], action: str) -> AlertObject:
    is_over = action in ("resolved", "archived", "ignored") or text_at(issue, "status") in ("resolved", "ignored")
    tags = {
        **_names(text_at(issue, "project.slug", "project.name") or "Sentry", issue),
        "description": text_at(issue, "metadata.value", "title"),
        "issue": text_at(issue, "shortId"),
        "source_url": text_at(issue, "web_url", "permalink"),
    }
    status = "ok" if is_over else severity(issue.get("level"))
    return alert_object(status, tags, primary="service", identifier=f"issue {required(issue, 'id')}")


def _metric(body: dict[str, Any], alert: dict[str, Any]) -> AlertObject:
    project = text_at(alert, "projects.0", "alert_rule.projects.0") or "Sentry"
    tags = {
        "service": project,
        "check": text_at(alert, "alert_rule.name", "title") or required(body, "data.description_title"),
        "description": text_at(body, "data.description_text", "data.description_title"),
        "environment": text_at(alert, "alert_rule.environment"),
        "source_url": text_at(body, "data.web_url"),
    }
    status = severity(required(body, "action"))
    at = text_at(alert, "date_closed") if status == "ok" else text_at(alert, "date_started", "date_detected")
    return alert_object(
        status, tags, primary="service", identifier=f"metric {required(alert, 'identifier', 'id')}", at=at
    )


def _names(project: str, subject: dict[str, Any]) -> dict[str, str]:
    return {
        "service": project,
        "check": required(subject, "title", "culprit", "message"),
        "culprit": text_at(subject, "culprit"),
        "level": text_at(subject, "level"),
    }
