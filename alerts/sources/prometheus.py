"""Prometheus Alertmanager's webhook, version 4 of its payload, which Grafana's unified alerting sends too."""

from __future__ import annotations

from typing import Any

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, an_object, host_of, mapping, objects, said, severity, text

PRIMARY = ("instance", "host", "node", "pod", "service", "job")


def normalize(payload: object) -> list[AlertObject]:
    """One alert for each of its alerts; their labels become tags, and their fingerprint tells them apart."""
    alerts = objects(an_object(payload), "alerts")
    if not alerts:
        raise EventRejected("alerts", "must be an array with at least one alert")
    return [_alert(alert, mapping(payload, "commonLabels"), text(payload, "externalURL")) for alert in alerts]


def _alert(alert: dict[str, Any], common: dict[str, Any], alertmanager: str) -> AlertObject:
    labels = common | mapping(alert, "labels")
    annotations = mapping(alert, "annotations")
    if not labels:
        raise EventRejected("alerts.labels", "must be an object with at least one label")
    is_over = text(alert, "status").lower() == "resolved"
    tags = {
        "host": host_of(text(labels, "instance", "node")),
        "check": text(labels, "alertname"),
        **annotations,
        **labels,
        "description": text(annotations, "description", "message", "summary"),
        "runbook": text(annotations, "runbook_url", "runbook"),
        "dashboard": text(annotations, "dashboard_url", "dashboard"),
        "source_url": text(alert, "generatorURL"),
        "alertmanager": alertmanager,
    }
    for duplicate in ("runbook_url", "dashboard_url"):
        tags.pop(duplicate, None)
    primary = text(annotations, "bp_primary_property") or next(
        (name for name in PRIMARY if text(labels, name)), "check"
    )
    return said(
        "ok" if is_over else severity(labels.get("severity") or labels.get("priority")),
        tags,
        primary=primary,
        secondary=text(annotations, "bp_secondary_property") or ("check" if primary != "check" else "severity"),
        identifier=f"{text(labels, 'alertname')} {fingerprint}" if (fingerprint := text(alert, "fingerprint")) else "",
        at=text(alert, "endsAt" if is_over else "startsAt"),
    )
