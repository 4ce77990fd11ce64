"""Incidents in the shape of BigPanda's Incidents API v2 (docs/wire-contract.md §8.2): statuses capitalised, times in seconds, keys as text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import empty

import bpql
from alerts.events import Status
from alerts.models import Alert
from alerts.payload import LISTED
from incidents.actions.action import asked_actions
from incidents.feed.folders import Folder
from incidents.models import Activity, Incident, Maintenance, Priority
from incidents.search import conditions
from people.api.fields import Choice, Described, Key, Keys, Number, Seconds, Text, YesNo, refuse
from people.api.operation import JSONDict
from people.models import User

PRIORITY = "priority"  # the tag that is always there
RELATED = ("assignee", "assigned_by", "membership")
SORTS = {"last_change": "-changed_at", "status": "-status", "start": "-started_at", "alerts": "-alerts_count"}
LAST_RESULT = 10_000
LARGEST_PAGE, LARGEST_EXPANDED_PAGE = 100, 10
BATCH_LIMIT, BATCH_COMMENT_LIMIT = 500, 1000
STATUSES = [status.name.capitalize() for status in Status]
FOLDERS = ("active", "unhandled", "shared", "assigned", "snoozed", "maintenance", "resolved")


# --- What is asked


class _Query(serializers.CharField):
    """BPQL about incidents, as a condition for querysets."""

    def to_internal_value(self, data: str) -> Any:
        query = data.strip()
        try:
            return conditions.for_incidents(bpql.parse(query)) if query not in ("", "*") else Q()
        except bpql.BpqlError as error:
            refuse(str(error))


class Expand(serializers.ChoiceField):
    """A switch that shows each alert whole: the word `alerts`. Any other word has no effect."""

    def __init__(self) -> None:
        super().__init__(["alerts"], required=False)

    def run_validation(self, data: Any = False) -> bool:
        return bool(data == "alerts")


class ExpandQuerySerializer(serializers.Serializer[Any]):
    expand = Expand()


class IncidentsQuerySerializer(serializers.Serializer[Any]):
    query = _Query(default="", allow_blank=True, help_text="BPQL; * finds every incident.")
    folder = Choice((*Folder.values, "assigned"), any_case=True)
    sort_by = Choice(SORTS, "last_change")
    page = Number(1, LAST_RESULT)
    page_size = Number(10, LARGEST_PAGE, help_text=f"With expand=alerts, {LARGEST_EXPANDED_PAGE} at most.")
    expand = Expand()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        times = {
            "to": Seconds(
                default=None, allow_null=True, help_text="Incidents that began by then, in seconds since 1970."
            ),
            "from": Seconds(
                default=None, allow_null=True, help_text="Incidents still active then, in seconds since 1970."
            ),
        }
        return {**super().get_fields(), **times}

    def validate(self, attrs: JSONDict) -> JSONDict:
        if attrs["expand"] and attrs["page_size"] > LARGEST_EXPANDED_PAGE:
            raise ValidationError({"page_size": [f"must be a number from 1 to {LARGEST_EXPANDED_PAGE}."]})
        return attrs


class ActivitiesQuerySerializer(serializers.Serializer[Any]):
    types = serializers.CharField(default="", allow_blank=True, help_text="Kinds of activities, separated by commas.")
    page = Number(1, 10_000)
    per_page = Number(20, 100)


# --- What is sent


class ResolveSerializer(serializers.Serializer[Any]):
    comments = Text()


class CommentSerializer(serializers.Serializer[Any]):
    comment = Text(required=True)


class AssignmentSerializer(serializers.Serializer[Any]):
    RULE = "must be the id of a person who may act on incidents."

    assignee = Key(rule=RULE)

    def validate_assignee(self, pk: int) -> User:
        person = User.objects.filter(pk=pk, is_active=True).first()
        return person if person and person.may_act else refuse(self.RULE)


class SnoozeSerializer(serializers.Serializer[Any]):
    comment = Text()
    end_time = Seconds()
    cancel_on_incident_updates = YesNo(default=False)


class MergeSerializer(serializers.Serializer[Any]):
    source_incidents = Keys()
    comment = Text()


class SplitSerializer(serializers.Serializer[Any]):
    alerts = Keys()
    comment = Text()


class BatchSerializer(serializers.Serializer[Any]):
    ids = Keys()

    def validate_ids(self, keys: list[int]) -> list[int]:
        return keys if len(keys) <= BATCH_LIMIT else refuse(f"can be {BATCH_LIMIT} at most.")


class BatchResolveSerializer(BatchSerializer):
    comments = Text(limit=BATCH_COMMENT_LIMIT)


class BatchActionSerializer(BatchSerializer):
    """An action by its name, with the fields of its form."""

    form = serializers.DictField(default=dict)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # Read from the declarations each time, so that a new action is in the document.
        actions = asked_actions()
        forms = "; ".join(
            f"{action.name}: {', '.join(action.form.base_fields)}" for action in actions if action.form.base_fields
        )
        rule = f"must be one of {', '.join(action.name for action in actions)}."
        name = serializers.ChoiceField(
            [(action.name, action.verb) for action in actions],
            error_messages=dict.fromkeys(("required", "null", "invalid_choice"), rule),
        )
        fields = super().get_fields()
        fields["form"].help_text = f"The fields of the action, as its dialog has them. {forms}."
        return {"action": name, **fields}


class RefusedSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    reason = serializers.CharField()

    class Meta:
        ref_name = "RefusedIncident"


class BatchActionReplySerializer(serializers.Serializer[Any]):
    """The result of an action on many incidents. For the document only."""

    done = serializers.ListField(child=serializers.CharField(), help_text="The ids of the changed incidents.")
    refused = RefusedSerializer(many=True, help_text=f"The first {LISTED} incidents that do not allow the action now.")
    refused_count = serializers.IntegerField(help_text="How many incidents do not allow it.")


class _TagValue(Described):
    """The value of a tag, of any type. The tag decides whether it accepts the value."""

    def __init__(self) -> None:
        about = "A text, or a list of texts for a tag that takes several."
        shown = {"type": ["string", "array"], "items": {"type": "string"}, "description": about}
        super().__init__({**shown, "description": f"{about} null removes the tag."}, shown, default=None)

    def run_validation(self, data: Any = empty) -> Any:
        return None if data is empty else data


class TagValueSerializer(serializers.Serializer[Any]):
    tag_value = _TagValue()


class _AnyId(serializers.CharField):
    def run_validation(self, data: Any = empty) -> Any:
        return super().run_validation(data if data is empty else str(data))


class TagSerializer(TagValueSerializer):
    tag_id = _AnyId(help_text="The id of the definition, or `priority`.")


# --- What is answered


class PersonSerializer(serializers.Serializer[Any]):
    user_id = serializers.CharField(source="pk")
    name = serializers.CharField(source="shown_name")
    email = serializers.CharField()


class _ShownSnoozeSerializer(serializers.Serializer[Any]):
    snoozed = serializers.BooleanField()
    end_time = Seconds(required=False)
    cancel_on_incident_updates = serializers.BooleanField(required=False)

    class Meta:
        ref_name = "IncidentSnooze"


class AlertTagSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.JSONField()


class AlertSerializer(serializers.Serializer[Any]):
    """An alert of an incident. All fields but the id are present only with `expand=alerts`."""

    alert_id = serializers.CharField()
    status = serializers.ChoiceField(STATUSES, required=False)
    source_system = serializers.CharField(required=False)
    incident_identifier = serializers.CharField(required=False, allow_blank=True)
    primary_property = serializers.CharField(required=False)
    secondary_property = serializers.CharField(required=False, allow_null=True)
    start = Seconds(required=False)
    end = Seconds(required=False, allow_null=True)
    changed_at = Seconds(required=False)
    tags = AlertTagSerializer(many=True, required=False)

    class Meta:
        ref_name = "IncidentAlert"

    def to_representation(self, instance: Alert) -> JSONDict:
        return {
            "alert_id": str(instance.pk),
            "status": Status(instance.status).name.capitalize(),
            "source_system": instance.app_key.source_system,
            "incident_identifier": instance.identifier,
            "primary_property": instance.primary_property,
            "secondary_property": instance.secondary_property or None,
            "start": seconds(instance.started_at),
            "end": seconds(instance.ended_at),
            "changed_at": seconds(instance.changed_at),
            "tags": [{"name": name, "value": value} for name, value in instance.tags.items()],
        }


class MatcherSerializer(serializers.Serializer[Any]):
    correlation_id = serializers.CharField(help_text="The id of the pattern.")
    time_window = serializers.IntegerField(help_text="In seconds.")
    tags = AlertTagSerializer(many=True)
    source_system = serializers.CharField(help_text="* where alerts of different source systems may join each other.")


class IncidentSerializer(serializers.Serializer[Any]):
    """An incident with its alerts, which `context["alerts"]` holds by the key of the incident.

    A reply can have thousands of alerts. The serializers of incidents and alerts therefore write their fields
    themselves, which is ten times as fast as reading them by their declarations.
    """

    id = serializers.CharField()
    active = serializers.BooleanField()
    status = serializers.ChoiceField(STATUSES)
    severity = serializers.ChoiceField(STATUSES)
    alerts = AlertSerializer(many=True)
    assignee = PersonSerializer(allow_null=True)
    assigner = PersonSerializer(allow_null=True)
    start = Seconds()
    end = Seconds(allow_null=True)
    changed_at = Seconds()
    updated_at = Seconds()
    environments = serializers.ListField(child=serializers.CharField(), help_text="The ids of its environments.")
    folders = serializers.ListField(child=serializers.ChoiceField(FOLDERS))
    flapping = serializers.BooleanField()
    shared = serializers.BooleanField()
    maintenance = serializers.ChoiceField(
        [each.label for each in Maintenance if each],
        allow_null=True,
        help_text="How many of its active alerts are in maintenance.",
    )
    snooze = _ShownSnoozeSerializer()
    incident_tags = TagSerializer(many=True)
    correlation_matchers_log = serializers.ListField(
        child=serializers.ListField(child=MatcherSerializer()),
        help_text="The sets of matchers that all alerts matched; the last one is the present set.",
    )

    class Meta:
        ref_name = "Incident"

    def to_representation(self, instance: Incident) -> JSONDict:
        return {
            "id": str(instance.pk),
            "active": instance.is_open,
            "status": Status(instance.status).name.capitalize(),
            "severity": Status(instance.severity).name.capitalize(),
            "alerts": self.context["alerts"][instance.pk],
            "assignee": _person(instance.assignee),
            "assigner": _person(instance.assigned_by),
            "start": seconds(instance.started_at),
            "end": seconds(instance.resolved_at),
            "changed_at": seconds(instance.changed_at),
            "updated_at": seconds(instance.changed_at),
            "environments": [str(pk) for pk in instance.membership.environments] if instance.membership else [],
            "folders": folders_of(instance),
            "flapping": instance.flapping,
            "shared": instance.shared_count > 0,
            "maintenance": Maintenance(instance.maintenance).label if instance.maintenance else None,
            "snooze": _snooze(instance),
            "incident_tags": tags_of(instance),
            "correlation_matchers_log": instance.correlation_matchers_log,
        }


class IncidentsSerializer(serializers.Serializer[Any]):
    """A page of incidents. For the document only."""

    total = serializers.IntegerField(max_value=LAST_RESULT)
    items = IncidentSerializer(many=True)


class ActivitySerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="pk")
    type = serializers.CharField(source="kind")
    timestamp = Seconds(source="at")
    created_by = serializers.CharField(source="by_id", allow_null=True)
    params = serializers.SerializerMethodField()

    def get_params(self, activity: Activity) -> dict[str, Any]:
        comment = {"comment": activity.comment} if activity.comment and not activity.undone_at else {}
        return {**activity.readable_details, **comment}


class ActivitiesSerializer(serializers.Serializer[Any]):
    """A page of activities. For the document only."""

    items = ActivitySerializer(many=True)


# --- How it is made


def incidents_as_data(incidents: Sequence[Incident], *, with_alerts: bool) -> list[JSONDict]:
    """Return a page of incidents, each alert whole or only its key. The number of queries does not grow with the page."""
    alerts: dict[int, list[JSONDict]] = defaultdict(list)
    rows = Alert.objects.filter(incident__in=[each.pk for each in incidents]).order_by("pk")
    if with_alerts:
        as_data = AlertSerializer().to_representation
        for alert in rows.select_related("app_key"):
            alerts[alert.incident_id or 0].append(as_data(alert))
    else:
        for pk, incident in rows.values_list("pk", "incident"):
            alerts[incident or 0].append({"alert_id": str(pk)})
    return list(IncidentSerializer(incidents, many=True, context={"alerts": alerts}).data)


def folders_of(incident: Incident) -> list[str]:
    if not incident.is_open:
        return ["resolved"]
    aside = ["snoozed"] * incident.is_snoozed + ["maintenance"] * incident.is_in_maintenance
    taken_up = ["shared"] * (incident.shared_count > 0) + ["assigned"] * (incident.assignee_id is not None)
    return [*aside, *taken_up] if aside else ["active", *(taken_up or ["unhandled"])]


def tags_of(incident: Incident) -> list[JSONDict]:
    """Return the incident's tags. A tag that takes several values has a list of them."""
    priority = [{"tag_id": PRIORITY, "tag_value": Priority(incident.priority).label}] if incident.priority else []
    return priority + [
        {"tag_id": str(each.tag_id), "tag_value": each.values if each.tag.has_many else each.values[0]}
        for each in incident.tag_values.all()
    ]


def _snooze(incident: Incident) -> JSONDict:
    if not incident.is_snoozed:
        return {"snoozed": False}
    wakes = incident.wakes_on_update
    return {"snoozed": True, "end_time": seconds(incident.snoozed_until), "cancel_on_incident_updates": wakes}


def _person(user: User | None) -> JSONDict | None:
    return {"user_id": str(user.pk), "name": user.shown_name, "email": user.email} if user else None


def seconds(at: datetime | None) -> int | None:
    """Return the seconds since 1970."""
    return int(at.timestamp()) if at else None
