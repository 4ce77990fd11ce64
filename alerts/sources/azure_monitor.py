"""Azure Monitor's common alert schema, as action groups post it."""

from __future__ import annotations

from urllib.parse import quote

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, dig, mapping, objects, required, said, text

SEVERITIES = {"sev0": "critical", "sev1": "critical", "sev2": "warning", "sev3": "warning", "sev4": "warning"}


def normalize(payload: object) -> list[AlertObject]:
    alert = mapping(payload, "data.essentials")
    if not alert:
        raise EventRejected("data.essentials", "must be an object: enable the common alert schema in the action group")
    alert_id = required(alert, "alertId", "originAlertId")
    is_over = required(alert, "monitorCondition").lower() == "resolved"
    targets = dig(alert, "configurationItems") or dig(alert, "alertTargetIDs") or []
    items = [name for name in targets if isinstance(name, str)] if isinstance(targets, list) else []
    conditions = [
        f"{text(each, 'metricName', 'searchQuery')} {text(each, 'operator')} {text(each, 'threshold')}: {text(each, 'metricValue')}"
        for each in objects(payload, "data.alertContext.condition.allOf")
    ]
    tags = {
        **mapping(payload, "data.customProperties"),
        "host": items[0].rpartition("/")[2] if items else "",
        "service": text(alert, "monitoringService") or "Azure",
        "check": required(alert, "alertRule"),
        "description": text(alert, "description") or "; ".join(conditions)[:2000],
        "conditions": conditions,
        "severity": text(alert, "severity"),
        "signal": text(alert, "signalType"),
        "targets": [name.rpartition("/")[2] for name in items[1:]],
        "source_url": text(alert, "investigationLink")
        or f"https://portal.azure.com/#blade/Microsoft_Azure_Monitoring/AlertDetailsTemplateBlade/alertId/{quote(alert_id, safe='')}",
    }
    return [
        said(
            "ok" if is_over else SEVERITIES.get(text(alert, "severity").lower(), "critical"),
            tags,
            primary="host" if tags["host"] else "service",
            identifier=alert_id,
            at=text(alert, "resolvedDateTime" if is_over else "firedDateTime"),
        )
    ]
