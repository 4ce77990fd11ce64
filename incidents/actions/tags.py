"""Values of incident tags, which people set on incidents (docs/wire-contract.md §6.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from incidents.actions.action import EVERY_FOLDER, Action
from incidents.actions.activity_texts import Text
from incidents.actions.forms import ActionForm, TagForm
from incidents.models import Activity, Incident, IncidentTag, IncidentTagValue
from people.models import User

Values = list[str]


@dataclass(frozen=True)
class _TagAction(Action):
    """An action on one tag of an incident. A change of another tag does not prevent its undo."""

    tag: IncidentTag

    related = ("tag_values",)
    changed_since = "The tag was changed since: there is nothing to undo."

    def new_values(self) -> Values:
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        return {"tag": self.tag.pk, "values": self.new_values()}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(IncidentTag.objects.get(pk=arguments["tag"]))

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        was = _values_of(incident, self.tag.pk)
        return {"tag": self.tag.pk, "name": self.tag.name, "was": was, "is": self.new_values()}

    def after_change(self, activities: Mapping[int, Activity], at: datetime) -> None:
        _write(self.tag.pk, dict.fromkeys(activities, self.new_values()))

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        is_as_left = _values_of(incident, activity.details["tag"]) == activity.details["is"]
        return "" if is_as_left else cls.changed_since

    @classmethod
    def after_restore(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        for pk, activity in undone.items():
            if IncidentTag.objects.filter(pk=activity.details["tag"]).exists():
                _write(activity.details["tag"], {pk: activity.details["was"]})


@dataclass(frozen=True)
class SetTag(_TagAction):
    """New values of a tag."""

    values: tuple[str, ...]

    name, kind = "tag", Activity.Kind.TAG_UPDATED
    verb, done, icon = "Set tag", "Tag set", "tag"
    in_menu = True
    bulk_folders = EVERY_FOLDER
    form, question = TagForm, "Set a tag on {}"
    effect = "Without a value the tag is removed."

    @classmethod
    def from_form(cls, form: ActionForm) -> Action:
        tag, values = form.cleaned_data["tag"], form.cleaned_data["values"]
        return cls(tag, tuple(values)) if values else RemoveTag(tag)

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(IncidentTag.objects.get(pk=arguments["tag"]), tuple(arguments["values"]))

    @classmethod
    def present_state(cls, incident: Incident) -> Iterable[str]:
        values = incident.tag_values.select_related("tag")
        return (f"Now {each.tag.name}: {', '.join(each.values)}" for each in values)

    def new_values(self) -> Values:
        return list(self.values)

    def refusal(self, incident: Incident) -> str:
        is_set = _values_of(incident, self.tag.pk) == self.new_values()
        return f"{self.tag.name} says that already." if is_set else ""

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        return f"set {activity.details['name']} to {', '.join(activity.details['is'])}"


@dataclass(frozen=True)
class RemoveTag(_TagAction):
    """Removal of a tag. The form of `SetTag` asks for the removal with an empty value."""

    name, kind = "untag", Activity.Kind.TAG_REMOVED
    verb, done, icon = "Remove tag", "Tag removed", "tag"
    is_asked, question = False, "Remove a tag from {}"

    def new_values(self) -> Values:
        return []

    def refusal(self, incident: Incident) -> str:
        return "" if _values_of(incident, self.tag.pk) else f"It has no {self.tag.name}."

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        return f"removed {activity.details['name']}, which was {', '.join(activity.details['was'])}"


def _values_of(incident: Incident, tag_pk: int) -> Values:
    return next((each.values for each in incident.tag_values.all() if each.tag_id == tag_pk), [])


def _write(tag_pk: int, values: Mapping[int, Values]) -> None:
    """Write the values of a tag by incident. Empty values remove the tag."""
    IncidentTagValue.objects.filter(tag=tag_pk, incident__in=[pk for pk, new in values.items() if not new]).delete()
    IncidentTagValue.objects.bulk_create(
        [IncidentTagValue(incident_id=pk, tag_id=tag_pk, values=new) for pk, new in values.items() if new],
        update_conflicts=True,
        unique_fields=["incident", "tag"],
        update_fields=["values"],
    )
