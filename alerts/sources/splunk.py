"""Splunk's webhook alert action. Splunk never says that something is over: a search that yields `status=ok` does."""

from __future__ import annotations

from alerts.sources.reading import AlertObject, an_object, mapping, required, said, severity, text


def normalize(payload: object) -> list[AlertObject]:
    """The report and the result's host are the identity, so that each firing is one alert and not a new one (docs/wire-contract.md §9.3)."""
    name = required(an_object(payload), "search_name")
    result = mapping(payload, "result")
    host = text(result, "host", "dest", "src")
    tags = {
        **{
            key: value for key, value in result.items() if not key.startswith("_") and key not in ("status", "severity")
        },
        "host": host,
        "service": name,
        "check": name,
        "description": text(result, "description", "message", "_raw") or name,
        "severity": text(result, "severity"),
        "application": text(payload, "app"),
        "owner": text(payload, "owner"),
        "source_url": text(payload, "results_link"),
    }
    status = severity(text(result, "status")) if text(result, "status") else severity(text(result, "severity"))
    primary = "host" if host else "service"
    return [said(status, tags, primary=primary, secondary="check" if host else "", at=text(result, "_time"))]
