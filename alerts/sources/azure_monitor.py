"""Azure Monitor: the common alert schema, as action groups post it."""

from __future__ import annotations

from urllib.parse import quote

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, alert_object, object_at, objects_at, required, text_at, value_at

SEVERITIES = {"sev0": "critical", "sev1": "critical", "sev2": "warning", "sev3": "warning", "sev4": "warning"}


def normalize(payload: object) -> list[AlertObject]:
    alert = object_at(payload, "data.essentials")
    if not alert:
        raise EventRejected("data.essentials", "must be an object: enable the common alert schema in the action group")
    alert_id = required(alert, "alertId", "originAlertId")
    is_over = required(alert, "monitorCondition").lower() == "resolved"
    targets = value_at(alert, "configurationItems") or value_at(alert, "alertTargetIDs") or []
    items = [name for name in targets if isinstance(name, str)] if isinstance(targets, list) else []
    conditions = [
        f"{text_at(each, 'metricName', 'searchQuery')} {text_at(each, 'operator')} {text_at(each, 'threshold')}: {text_at(each, 'metricValue')}"
        for each in objects_at(payload, "data.alertContext.condition.allOf")
    ]
    tags = {
        **object_at(payload, "data.customProperties"),
        "host": items[0].rpartition("/")[2] if items else "",
        "service": text_at(alert, "monitoringService") or "Azure",
        "check": required(alert, "alertRule"),
        "description": text_at(alert, "description") or "; ".join(conditions)[:2000],
        "conditions": conditions,
        "severity": text_at(alert, "severity"),
        "signal": text_at(alert, "signalType"),
        "targets": [name.rpartition("/")[2] for name in items[1:]],
        "source_url": text_at(alert, "investigationLink")
        or f"https://portal.azure.com/#blade/Microsoft_Azure_Monitoring/AlertDetailsTemplateBlade/alertId/{quote(alert_id, safe='')}",
    }
    return [
        alert_object(
            "ok" if is_over else SEVERITIES.get(text_at(alert, "severity").lower(), "critical"),
            tags,
            primary="host" if tags["host"] else "service",
            identifier=alert_id,
            at=text_at(alert, "resolvedDateTime" if is_over else "firedDateTime"),
        )
    ]
