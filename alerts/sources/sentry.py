"""Sentry's internal integration: issue alerts, issues that are resolved, and metric alerts; also the legacy webhook plug-in."""

from __future__ import annotations

from typing import Any

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, an_object, dig, mapping, required, said, severity, text


def normalize(payload: object) -> list[AlertObject]:
    body = an_object(payload)
    if alert := mapping(body, "data.metric_alert"):
        return [_metric(body, alert)]
    if event := mapping(body, "data.event"):
        return [_event(event, text(body, "data.triggered_rule"))]
    if issue := mapping(body, "data.issue"):
        return [_issue(issue, text(body, "action"))]
    if mapping(body, "event") and "project" in body:
        legacy = {
            **mapping(body, "event"),
            "issue_id": body.get("id"),
            "project": body.get("project_slug") or body.get("project"),
            "web_url": body.get("url"),
            "level": body.get("level"),
            "culprit": body.get("culprit"),
        }
        return [_event(legacy, "")]
    raise EventRejected("data", "must hold 'event', 'issue' or 'metric_alert'")


def _event(event: dict[str, Any], rule: str) -> AlertObject:
    pairs = dig(event, "tags")
    named = {
        pair[0]: pair[1]
        for pair in (pairs if isinstance(pairs, list) else [])
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)
    }
    tags = {
        **named,
        **_names(text(event, "project_slug", "project_name", "project") or "Sentry", event),
        "description": text(event, "message", "metadata.value", "title"),
        "environment": text(event, "environment"),
        "rule": rule,
        "source_url": text(event, "web_url", "issue_url", "url"),
    }
    identifier = f"issue {required(event, 'issue_id', 'groupID', 'event_id')}"
    at = text(event, "datetime", "timestamp")
    return said(severity(event.get("level")), tags, primary="service", identifier=identifier, at=at)


def _issue(issue: dict[str, Any], action: str) -> AlertObject:
    is_over = action in ("resolved", "archived", "ignored") or text(issue, "status") in ("resolved", "ignored")
    tags = {
        **_names(text(issue, "project.slug", "project.name") or "Sentry", issue),
        "description": text(issue, "metadata.value", "title"),
        "issue": text(issue, "shortId"),
        "source_url": text(issue, "web_url", "permalink"),
    }
    status = "ok" if is_over else severity(issue.get("level"))
    return said(status, tags, primary="service", identifier=f"issue {required(issue, 'id')}")


def _metric(body: dict[str, Any], alert: dict[str, Any]) -> AlertObject:
    project = text(alert, "projects.0", "alert_rule.projects.0") or "Sentry"
    tags = {
        "service": project,
        "check": text(alert, "alert_rule.name", "title") or required(body, "data.description_title"),
        "description": text(body, "data.description_text", "data.description_title"),
        "environment": text(alert, "alert_rule.environment"),
        "source_url": text(body, "data.web_url"),
    }
    status = severity(required(body, "action"))
    at = text(alert, "date_closed") if status == "ok" else text(alert, "date_started", "date_detected")
    return said(status, tags, primary="service", identifier=f"metric {required(alert, 'identifier', 'id')}", at=at)


def _names(project: str, spoken_of: dict[str, Any]) -> dict[str, str]:
    return {
        "service": project,
        "check": required(spoken_of, "title", "culprit", "message"),
        "culprit": text(spoken_of, "culprit"),
        "level": text(spoken_of, "level"),
    }
