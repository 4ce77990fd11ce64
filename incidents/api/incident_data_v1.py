"""Incidents and alerts in the shape of BigPanda's Incidents API v1 (docs/wire-contract.md §8.3, §8.4): statuses in lower case, times in seconds."""

from __future__ import annotations

from typing import Any

from alerts.events import Status
from alerts.models import Alert
from incidents.api.incident_data import seconds
from incidents.models import Incident

DESCRIPTION = "description"
DESCRIPTION_LIMIT = 2048  # docs/wire-contract.md §8.4


def incident(incident: Incident, *, alerts: list[dict[str, Any]] | None) -> dict[str, Any]:
    """With these alerts whole, or with the keys of all it has."""
    keys = Alert.objects.filter(incident=incident).order_by("pk").values_list("pk", flat=True)
    return {
        "id": str(incident.pk),
        "status": Status(incident.status).name.lower(),
        "active": incident.is_open,
        "flapping": incident.flapping,
        "resolved": not incident.is_open,
        "snooze": {
            "snoozed": incident.is_snoozed,
            "wake": seconds(incident.snoozed_until) if incident.is_snoozed else None,
            "autoCancel": incident.is_snoozed and incident.wakes_on_update,
        },
        "startedOn": seconds(incident.started_at),
        "changedOn": seconds(incident.changed_at),
        "updatedOn": seconds(incident.changed_at),
        "endedOn": seconds(incident.resolved_at),
        "alerts": [str(pk) for pk in keys] if alerts is None else alerts,
    }


def alert(alert: Alert) -> dict[str, Any]:
    return {
        "id": str(alert.pk),
        "status": Status(alert.status).name.lower(),
        "active": alert.is_active,
        "startedOn": seconds(alert.started_at),
        "changedOn": seconds(alert.changed_at),
        "updatedOn": seconds(max(alert.changed_at, alert.last_event_at)),
        "endedOn": seconds(alert.ended_at),
        "primary_property": alert.primary_property,
        "secondary_property": alert.secondary_property or None,
        "source_system": alert.app_key.source_system,
        "description": str(alert.tags.get(DESCRIPTION, ""))[:DESCRIPTION_LIMIT],
        "tags": [{"name": name, "value": value} for name, value in alert.tags.items()],
    }
