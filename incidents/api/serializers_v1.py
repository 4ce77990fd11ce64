"""Incidents and alerts in the shape of BigPanda's Incidents API v1 (docs/wire-contract.md §8.3, §8.4): statuses in lower case, times in seconds."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from alerts.events import Status
from alerts.models import Alert
from incidents.api.serializers import AlertTagSerializer, seconds
from incidents.models import Incident
from people.api.fields import Part, Seconds, Text, YesNo, refuse
from people.api.operation import JSONDict

DESCRIPTION = "description"
DESCRIPTION_LIMIT = 2048  # docs/wire-contract.md §8.4
STATUSES = [status.name.lower() for status in Status]


class SnoozeV1Serializer(serializers.Serializer[Any]):
    """A snooze as it is sent. If `snoozed` is false, the other fields do not count."""

    RULE = "must be an object whose snoozed is true or false."

    snoozed = serializers.BooleanField()
    wake = Seconds(required=False, allow_null=True)
    autoCancel = YesNo("must be true or false.", default=False)  # noqa: N815 - its name on the wire

    def to_internal_value(self, data: JSONDict) -> JSONDict:
        if not isinstance(data.get("snoozed"), bool):
            raise ValidationError({"snooze": [self.RULE]})
        values: JSONDict = super().to_internal_value(data if data["snoozed"] else {"snoozed": False})
        if values["snoozed"] and not values.get("wake"):
            raise ValidationError({"wake": ["is required, in seconds since 1970."]})
        return values


class _True(YesNo):
    """True and nothing else."""

    def __init__(self) -> None:
        super().__init__("can only be true: an incident reopens with its alerts.", required=False)

    def to_internal_value(self, data: Any) -> bool:
        return super().to_internal_value(data) or refuse(self.rule)


class ChangeV1Serializer(serializers.Serializer[Any]):
    """A change. `resolved` counts first, then `snooze`, then the comment alone."""

    comments = Text()
    resolved = _True()
    snooze = Part(SnoozeV1Serializer)


class AlertV1Serializer(serializers.Serializer[Any]):
    """An alert.

    An incident can have thousands of alerts. `to_representation` therefore writes the fields itself, which is ten times
    as fast as reading them by their declarations.
    """

    id = serializers.CharField()
    status = serializers.ChoiceField(STATUSES)
    active = serializers.BooleanField()
    startedOn = Seconds()  # noqa: N815 - its name on the wire, as all below
    changedOn = Seconds()  # noqa: N815
    updatedOn = Seconds()  # noqa: N815
    endedOn = Seconds(allow_null=True)  # noqa: N815
    primary_property = serializers.CharField()
    secondary_property = serializers.CharField(allow_null=True)
    source_system = serializers.CharField()
    description = serializers.CharField(max_length=DESCRIPTION_LIMIT)
    tags = AlertTagSerializer(many=True)

    def to_representation(self, instance: Alert) -> JSONDict:
        return {
            "id": str(instance.pk),
            "status": Status(instance.status).name.lower(),
            "active": instance.is_active,
            "startedOn": seconds(instance.started_at),
            "changedOn": seconds(instance.changed_at),
            "updatedOn": seconds(max(instance.changed_at, instance.last_event_at)),
            "endedOn": seconds(instance.ended_at),
            "primary_property": instance.primary_property,
            "secondary_property": instance.secondary_property or None,
            "source_system": instance.app_key.source_system,
            "description": str(instance.tags.get(DESCRIPTION, ""))[:DESCRIPTION_LIMIT],
            "tags": [{"name": name, "value": value} for name, value in instance.tags.items()],
        }


class _ShownSnoozeSerializer(serializers.Serializer[Any]):
    snoozed = serializers.BooleanField(source="is_snoozed")
    wake = serializers.SerializerMethodField()
    autoCancel = serializers.SerializerMethodField()  # noqa: N815

    class Meta:
        ref_name = "IncidentV1Snooze"

    def get_wake(self, incident: Incident) -> int | None:
        return seconds(incident.snoozed_until) if incident.is_snoozed else None

    def get_autoCancel(self, incident: Incident) -> bool:  # noqa: N802
        return incident.is_snoozed and incident.wakes_on_update


class IncidentV1Serializer(serializers.Serializer[Any]):
    """An incident with the ids of its alerts, or, if `context["expand"]` is true, with its alerts."""

    id = serializers.CharField(source="pk")
    status = serializers.SerializerMethodField()
    active = serializers.BooleanField(source="is_open")
    flapping = serializers.BooleanField()
    resolved = serializers.SerializerMethodField()
    snooze = _ShownSnoozeSerializer(source="*")
    startedOn = Seconds(source="started_at")  # noqa: N815
    changedOn = Seconds(source="changed_at")  # noqa: N815
    updatedOn = Seconds(source="changed_at")  # noqa: N815
    endedOn = Seconds(source="resolved_at", allow_null=True)  # noqa: N815
    alerts = serializers.SerializerMethodField(help_text="Ids, or alerts where they are asked for whole.")

    def get_status(self, incident: Incident) -> str:
        return Status(incident.status).name.lower()

    def get_resolved(self, incident: Incident) -> bool:
        return not incident.is_open

    def get_alerts(self, incident: Incident) -> list[Any]:
        if self.context.get("expand"):
            return alerts_of(incident.pk)
        keys = Alert.objects.filter(incident=incident).order_by("pk").values_list("pk", flat=True)
        return [str(pk) for pk in keys]


def alerts_of(incident: int) -> list[JSONDict]:
    """Return all alerts of an incident, in order."""
    rows = Alert.objects.filter(incident=incident).select_related("app_key").order_by("pk")
    return list(AlertV1Serializer(rows, many=True).data)
