"""Splunk: the webhook alert action. Splunk sends no end; a search with the result `status=ok` ends an alert."""

from __future__ import annotations

from alerts.sources.reading import AlertObject, alert_object, as_object, object_at, required, severity, text_at


def normalize(payload: object) -> list[AlertObject]:
    """Return one alert by report and host, so that a repeated firing is no new alert (docs/wire-contract.md §9.3)."""
    name = required(as_object(payload), "search_name")
    result = object_at(payload, "result")
    host = text_at(result, "host", "dest", "src")
    tags = {
        **{
            key: value for key, value in result.items() if not key.startswith("_") and key not in ("status", "severity")
        },
        "host": host,
        "service": name,
        "check": name,
        "description": text_at(result, "description", "message", "_raw") or name,
        "severity": text_at(result, "severity"),
        "application": text_at(payload, "app"),
        "owner": text_at(payload, "owner"),
        "source_url": text_at(payload, "results_link"),
    }
    status = severity(text_at(result, "status")) if text_at(result, "status") else severity(text_at(result, "severity"))
    primary = "host" if host else "service"
    return [alert_object(status, tags, primary=primary, secondary="check" if host else "", at=text_at(result, "_time"))]
