"""Google Cloud Monitoring: the webhook notification channel, schema 1.2."""

from __future__ import annotations

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, alert_object, object_at, required, severity, text_at


def normalize(payload: object) -> list[AlertObject]:
    incident = object_at(payload, "incident")
    if not incident:
        raise EventRejected("incident", "must be an object")
    is_over = required(incident, "state").lower() == "closed"
    resource = object_at(incident, "resource.labels")
    tags = {
        **object_at(incident, "policy_user_labels"),
        **resource,
        "host": text_at(incident, "resource_display_name", "resource_name", "resource.labels.instance_id"),
        "service": text_at(incident, "resource_type_display_name", "resource.type", "policy_name"),
        "check": required(incident, "policy_name", "condition_name"),
        "condition": text_at(incident, "condition_name"),
        "description": text_at(incident, "summary"),
        "details": text_at(incident, "documentation.content"),
        "metric": text_at(incident, "metric.displayName", "metric.type"),
        "value": text_at(incident, "observed_value"),
        "threshold": text_at(incident, "threshold_value"),
        "project": text_at(incident, "scoping_project_id"),
        "source_url": text_at(incident, "url"),
    }
    return [
        alert_object(
            "ok" if is_over else severity(incident.get("severity")),
            tags,
            primary="host" if tags["host"] else "service",
            identifier=f"incident {required(incident, 'incident_id')}",
            at=text_at(incident, "ended_at" if is_over else "started_at"),
        )
    ]
