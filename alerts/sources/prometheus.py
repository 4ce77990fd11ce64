"""Prometheus Alertmanager: the webhook, version 4 of the payload. Unified alerting of Grafana sends it as well."""

from __future__ import annotations

from typing import Any

from alerts.events import EventRejected
from alerts.sources.reading import (
    AlertObject,
    alert_object,
    as_object,
    host_of,
    object_at,
    objects_at,
    severity,
    text_at,
)

# Labels that all alerts of a payload get. Alertmanager repeats these labels in each alert, so 6 MB hold fewer.
SHARED_LIMIT = 1_000_000
PRIMARY = ("instance", "host", "node", "pod", "service", "job")


def normalize(payload: object) -> list[AlertObject]:
    """Return one alert per alert of the payload. Labels become tags, and the fingerprint is the identity."""
    alerts = objects_at(as_object(payload), "alerts")
    if not alerts:
        raise EventRejected("alerts", "must be an array with at least one alert")
    common = object_at(payload, "commonLabels")
    if len(common) * len(alerts) > SHARED_LIMIT:
        raise EventRejected("commonLabels", f"has too many labels for {len(alerts):,} alerts; send fewer at once")
    return [_alert(alert, common, text_at(payload, "externalURL")) for alert in alerts]


def _alert(alert: dict[str, Any], common: dict[str, Any], alertmanager: str) -> AlertObject:
    labels = common | object_at(alert, "labels")
    annotations = object_at(alert, "annotations")
    if not labels:
        raise EventRejected("alerts.labels", "must be an object with at least one label")
    is_over = text_at(alert, "status").lower() == "resolved"
    tags = {
        "host": host_of(text_at(labels, "instance", "node")),
        "check": text_at(labels, "alertname"),
        **annotations,
        **labels,
        "description": text_at(annotations, "description", "message", "summary"),
        "runbook": text_at(annotations, "runbook_url", "runbook"),
        "dashboard": text_at(annotations, "dashboard_url", "dashboard"),
        "source_url": text_at(alert, "generatorURL"),
        "alertmanager": alertmanager,
    }
    for duplicate in ("runbook_url", "dashboard_url"):
        tags.pop(duplicate, None)
    primary = text_at(annotations, "bp_primary_property") or next(
        (name for name in PRIMARY if text_at(labels, name)), "check"
    )
    return alert_object(
        "ok" if is_over else severity(labels.get("severity") or labels.get("priority")),
        tags,
        primary=primary,
        secondary=text_at(annotations, "bp_secondary_property") or ("check" if primary != "check" else "severity"),
        identifier=f"{text_at(labels, 'alertname')} {fingerprint}"
        if (fingerprint := text_at(alert, "fingerprint"))
        else "",
        at=text_at(alert, "endsAt" if is_over else "startsAt"),
    )
