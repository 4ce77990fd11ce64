"""Grafana: the webhook contact point of unified alerting (since 8), and of legacy alerting (until 10).

Unified alerting sends the payload of Alertmanager with further links.
"""

from __future__ import annotations

from typing import Any

from alerts.sources import prometheus
from alerts.sources.reading import AlertObject, alert_object, as_object, object_at, objects_at, text_at

LEGACY = {"alerting": "critical", "ok": "ok", "no_data": "unknown", "pending": "warning", "paused": "unknown"}


def normalize(payload: object) -> list[AlertObject]:
    if "ruleName" in as_object(payload) or "ruleId" in payload:  # type: ignore[operator]
        return [_legacy(payload)]
    alerts = prometheus.normalize(payload)
    for alert, sent in zip(alerts, objects_at(payload, "alerts"), strict=True):
        alert.pop("alertmanager", None)
        links = {
            "panel": text_at(sent, "panelURL"),
            "dashboard": text_at(sent, "dashboardURL") or alert.get("dashboard"),
            "silence": text_at(sent, "silenceURL"),
            "image": text_at(sent, "imageURL"),
        }
        values = [
            f"{name} = {value:g}" for name, value in object_at(sent, "values").items() if isinstance(value, float | int)
        ]
        alert |= {
            name: value
            for name, value in (links | {"values": values, "folder": alert.pop("grafana_folder", "")}).items()
            if value
        }
        if alert.get("alertname") == "DatasourceNoData":
            alert["status"] = "ok" if alert["status"] == "ok" else "unknown"
    return alerts


def _legacy(payload: Any) -> AlertObject:
    """Return one alert for a rule, by its number, with the measured values as tags."""
    matches = objects_at(payload, "evalMatches")
    rule = text_at(payload, "ruleId") or text_at(payload, "ruleName")
    tags = {
        **object_at(payload, "tags"),
        "host": [host for match in matches if (host := text_at(match, "tags.host", "tags.instance"))],
        "service": text_at(payload, "ruleName", "ruleId"),
        "description": text_at(payload, "message", "title"),
        "rule": text_at(payload, "ruleUrl"),
        "image": text_at(payload, "imageUrl"),
        "values": [
            f"{text_at(match, 'metric')} = {text_at(match, 'value')}" for match in matches if text_at(match, "value")
        ],
    }
    status = LEGACY.get(text_at(payload, "state").lower(), "critical")
    return alert_object(status, tags, primary="service", identifier=f"rule {rule}")
