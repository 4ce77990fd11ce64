"""Grafana's webhook contact point: unified alerting (since 8, Alertmanager's shape with links of its own), and legacy alerting (until 10)."""

from __future__ import annotations

from typing import Any

from alerts.sources import prometheus
from alerts.sources.reading import AlertObject, an_object, mapping, objects, said, text

LEGACY = {"alerting": "critical", "ok": "ok", "no_data": "unknown", "pending": "warning", "paused": "unknown"}


def normalize(payload: object) -> list[AlertObject]:
    if "ruleName" in an_object(payload) or "ruleId" in payload:  # type: ignore[operator]
        return [_legacy(payload)]
    alerts = prometheus.normalize(payload)
    for alert, sent in zip(alerts, objects(payload, "alerts"), strict=True):
        alert.pop("alertmanager", None)
        links = {
            "panel": text(sent, "panelURL"),
            "dashboard": text(sent, "dashboardURL") or alert.get("dashboard"),
            "silence": text(sent, "silenceURL"),
            "image": text(sent, "imageURL"),
        }
        values = [
            f"{name} = {value:g}" for name, value in mapping(sent, "values").items() if isinstance(value, float | int)
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
    """One rule is one alert, by its number; what it measured becomes tags."""
    matches = objects(payload, "evalMatches")
    rule = text(payload, "ruleId") or text(payload, "ruleName")
    tags = {
        **mapping(payload, "tags"),
        "host": [host for match in matches if (host := text(match, "tags.host", "tags.instance"))],
        "service": text(payload, "ruleName", "ruleId"),
        "description": text(payload, "message", "title"),
        "rule": text(payload, "ruleUrl"),
        "image": text(payload, "imageUrl"),
        "values": [f"{text(match, 'metric')} = {text(match, 'value')}" for match in matches if text(match, "value")],
    }
    status = LEGACY.get(text(payload, "state").lower(), "critical")
    return said(status, tags, primary="service", identifier=f"rule {rule}")
