"""Incident tags: what people write on incidents themselves (docs/wire-contract.md §6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from incidents.actions.action import Action
from incidents.models import Activity, Incident, IncidentTag, IncidentTagValue
from people.models import User

Values = list[str]


def values_of(incident: Incident, tag_pk: int) -> Values:
    return next((each.values for each in incident.tag_values.all() if each.tag_id == tag_pk), [])


@dataclass(frozen=True)
class _OnTag(Action):
    """Of one tag of the incident. Other tags may change meanwhile without being in the way of its undo."""

    tag: IncidentTag

    related = ("tag_values",)
    changed_since = "The tag was changed since: there is nothing to undo."

    def becomes(self) -> Values:
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        return {"tag": self.tag.pk, "values": self.becomes()}

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(IncidentTag.objects.get(pk=arguments["tag"]))

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        was = values_of(incident, self.tag.pk)
        return {"tag": self.tag.pk, "name": self.tag.name, "was": was, "is": self.becomes()}

    def carry_out(self, done: Mapping[int, Activity], at: datetime) -> None:
        _write(self.tag.pk, dict.fromkeys(done, self.becomes()))

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        is_as_left = values_of(incident, activity.details["tag"]) == activity.details["is"]
        return "" if is_as_left else cls.changed_since

    @classmethod
    def carry_back(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        for pk, activity in undone.items():
            if IncidentTag.objects.filter(pk=activity.details["tag"]).exists():
                _write(activity.details["tag"], {pk: activity.details["was"]})


@dataclass(frozen=True)
class SetTag(_OnTag):
    values: tuple[str, ...]

    kind = Activity.Kind.TAG_UPDATED

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(IncidentTag.objects.get(pk=arguments["tag"]), tuple(arguments["values"]))

    def becomes(self) -> Values:
        return list(self.values)

    def refusal(self, incident: Incident) -> str:
        is_so = values_of(incident, self.tag.pk) == self.becomes()
        return f"{self.tag.name} says that already." if is_so else ""


@dataclass(frozen=True)
class RemoveTag(_OnTag):
    kind = Activity.Kind.TAG_REMOVED

    def becomes(self) -> Values:
        return []

    def refusal(self, incident: Incident) -> str:
        return "" if values_of(incident, self.tag.pk) else f"It has no {self.tag.name}."


def _write(tag_pk: int, values: Mapping[int, Values]) -> None:
    """Values by incident; empty ones are removed."""
    IncidentTagValue.objects.filter(tag=tag_pk, incident__in=[pk for pk, said in values.items() if not said]).delete()
    IncidentTagValue.objects.bulk_create(
        [IncidentTagValue(incident_id=pk, tag_id=tag_pk, values=said) for pk, said in values.items() if said],
        update_conflicts=True,
        unique_fields=["incident", "tag"],
        update_fields=["values"],
    )
