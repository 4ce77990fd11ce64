"""Google Cloud Monitoring's webhook notification channel, schema 1.2."""

from __future__ import annotations

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, mapping, required, said, severity, text


def normalize(payload: object) -> list[AlertObject]:
    incident = mapping(payload, "incident")
    if not incident:
        raise EventRejected("incident", "must be an object")
    is_over = required(incident, "state").lower() == "closed"
    resource = mapping(incident, "resource.labels")
    tags = {
        **mapping(incident, "policy_user_labels"),
        **resource,
        "host": text(incident, "resource_display_name", "resource_name", "resource.labels.instance_id"),
        "service": text(incident, "resource_type_display_name", "resource.type", "policy_name"),
        "check": required(incident, "policy_name", "condition_name"),
        "condition": text(incident, "condition_name"),
        "description": text(incident, "summary"),
        "details": text(incident, "documentation.content"),
        "metric": text(incident, "metric.displayName", "metric.type"),
        "value": text(incident, "observed_value"),
        "threshold": text(incident, "threshold_value"),
        "project": text(incident, "scoping_project_id"),
        "source_url": text(incident, "url"),
    }
    return [
        said(
            "ok" if is_over else severity(incident.get("severity")),
            tags,
            primary="host" if tags["host"] else "service",
            identifier=f"incident {required(incident, 'incident_id')}",
            at=text(incident, "ended_at" if is_over else "started_at"),
        )
    ]
