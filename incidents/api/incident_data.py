"""Incidents in the shape of BigPanda's Incidents API v2 (docs/wire-contract.md §8.2): statuses capitalised, times in seconds, keys as text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alerts.events import Status
from alerts.models import Alert
from incidents.models import Activity, Incident, IncidentTag, Maintenance, Priority
from people.models import User

PRIORITY = "priority"  # the tag that is always there
RELATED = ("assignee", "assigned_by", "membership")


def incidents_as_data(incidents: Sequence[Incident], *, with_alerts: bool) -> list[dict[str, Any]]:
    """Of a page of them, with as many queries as of one; each alert by its key, or whole."""
    alerts: dict[int, list[Any]] = defaultdict(list)
    rows = Alert.objects.filter(incident__in=[each.pk for each in incidents]).order_by("pk")
    if with_alerts:
        for alert in rows.select_related("app_key"):
            alerts[alert.incident_id or 0].append(_alert(alert))
    else:
        for pk, incident in rows.values_list("pk", "incident"):
            alerts[incident or 0].append({"alert_id": str(pk)})
    return [_incident(each, alerts[each.pk]) for each in incidents]


def _incident(incident: Incident, alerts: list[Any]) -> dict[str, Any]:
    return {
        "id": str(incident.pk),
        "active": incident.is_open,
        "status": Status(incident.status).name.capitalize(),
        "severity": Status(incident.severity).name.capitalize(),
        "alerts": alerts,
        "assignee": _person(incident.assignee),
        "assigner": _person(incident.assigned_by),
        "start": seconds(incident.started_at),
        "end": seconds(incident.resolved_at),
        "changed_at": seconds(incident.changed_at),
        "updated_at": seconds(incident.changed_at),
        "environments": [str(pk) for pk in incident.membership.environments] if incident.membership else [],
        "folders": folders_of(incident),
        "flapping": incident.flapping,
        "shared": incident.shared_count > 0,
        "maintenance": Maintenance(incident.maintenance).label if incident.maintenance else None,
        "snooze": _snooze(incident),
        "incident_tags": tags_as_data(incident),
        "correlation_matchers_log": incident.correlation_matchers_log,
    }


def folders_of(incident: Incident) -> list[str]:
    if not incident.is_open:
        return ["resolved"]
    aside = ["snoozed"] * incident.is_snoozed + ["maintenance"] * incident.is_in_maintenance
    taken_up = ["shared"] * (incident.shared_count > 0) + ["assigned"] * (incident.assignee_id is not None)
    return [*aside, *taken_up] if aside else ["active", *(taken_up or ["unhandled"])]


def tags_as_data(incident: Incident) -> list[dict[str, Any]]:
    """A tag that takes several values has a list of them."""
    priority = [{"tag_id": PRIORITY, "tag_value": Priority(incident.priority).label}] if incident.priority else []
    return priority + [
        {"tag_id": str(each.tag_id), "tag_value": each.values if each.tag.has_many else each.values[0]}
        for each in incident.tag_values.all()
    ]


def definition(tag: IncidentTag) -> dict[str, Any]:
    return {
        "id": str(tag.pk),
        "name": tag.name,
        "description": tag.description,
        "type": tag.kind,
        "config": {"ordered_list": tag.choices},
        "active": tag.active,
        "can_manual_input": not tag.has_choices,
        "deleted": False,
    }


def priority_definition() -> dict[str, Any]:
    return {
        "id": PRIORITY,
        "name": "Priority",
        "description": "How much an incident matters.",
        "type": "Priority",
        "config": {"ordered_list": list(Priority.labels)},
        "active": True,
        "can_manual_input": False,
        "deleted": False,
    }


def as_form(sent: Mapping[str, Any], tag: IncidentTag | None) -> dict[str, Any]:
    """A definition that was sent, as the page's form takes it; what is not sent stays as it is."""
    known = definition(tag) if tag else {"active": True, "type": IncidentTag.Kind.TEXT.value}
    said = {**known, **sent}
    config = said.get("config")
    values = config.get("ordered_list") if isinstance(config, dict) else None
    choices = "\n".join(map(str, values)) if isinstance(values, list) else ""
    return {
        **{name: said.get(name) for name in ("name", "description", "active")},
        "kind": said["type"],
        "choices": choices,
    }


def activity(each: Activity) -> dict[str, Any]:
    params = {**each.details, **({"comment": each.comment} if each.comment and not each.undone_at else {})}
    by = str(each.by_id) if each.by_id else None
    return {"id": str(each.pk), "type": each.kind, "timestamp": seconds(each.at), "created_by": by, "params": params}


def _snooze(incident: Incident) -> dict[str, Any]:
    if not incident.is_snoozed:
        return {"snoozed": False}
    wakes = incident.wakes_on_update
    return {"snoozed": True, "end_time": seconds(incident.snoozed_until), "cancel_on_incident_updates": wakes}


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "alert_id": str(alert.pk),
        "status": Status(alert.status).name.capitalize(),
        "source_system": alert.app_key.source_system,
        "incident_identifier": alert.identifier,
        "primary_property": alert.primary_property,
        "secondary_property": alert.secondary_property or None,
        "start": seconds(alert.started_at),
        "end": seconds(alert.ended_at),
        "changed_at": seconds(alert.changed_at),
        "tags": [{"name": name, "value": value} for name, value in alert.tags.items()],
    }


def _person(user: User | None) -> dict[str, Any] | None:
    return {"user_id": str(user.pk), "name": user.shown_name, "email": user.email} if user else None


def seconds(at: datetime | None) -> int | None:
    """Since 1970."""
    return int(at.timestamp()) if at else None
