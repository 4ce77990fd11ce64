"""Merging incidents, splitting alerts off, and moving them. Correlation never undoes a grouping by hand (docs/how-it-works.md §8.2).

Each of these actions writes an activity in each incident, and undo covers all of them. The address of a merged incident leads to the
incident that has its alerts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from django.db import transaction
from django.db.models import F
from django.utils.html import format_html

from alerts.events import shown
from alerts.models import Alert
from incidents.actions.action import OPEN_FOLDERS, Button, Declaration, InvalidTransition
from incidents.actions.activity_texts import (
    ActivityText,
    Text,
    alerts_counted,
    incident_link,
    incident_links,
    incidents_counted,
    names_listed,
)
from incidents.actions.regrouping import (
    AlertsByIncident,
    Regrouping,
    alerts_of,
    check_alerts,
    check_not_merged,
    check_open,
    check_room,
    moved_by,
    put,
)
from incidents.correlation.rollup import NAMES_LIMIT
from incidents.models import Activity, BulkAction, Incident, Matcher
from people.models import User

SPLIT_LIMIT = 100  # incidents that one split may make


@dataclass(frozen=True)
class Grouping(Declaration):
    """An action that moves alerts between incidents. The activities of the other incidents are parts of the leading one."""

    comment: str

    is_asked = False  # each grouping has a page of its own
    part_kind: ClassVar[str]  # of the activity in the other incidents
    part_done: ClassVar[str]  # its title

    @transaction.atomic
    def perform(self, *, by: User) -> Activity:
        """Move the alerts, and return the leading activity. Raises InvalidTransition where an incident does not allow it."""
        return self.regroup(by)

    def regroup(self, by: User) -> Activity:
        raise NotImplementedError

    @classmethod
    @transaction.atomic
    def undo(cls, activity: Activity, *, by: User) -> Activity:
        moved = moved_by(activity)
        change = Regrouping({activity.incident_id, *moved}, by)
        cls.move_back(activity, moved, change)
        return change.finish_undo(activity)

    @classmethod
    def move_back(cls, activity: Activity, moved: AlertsByIncident, change: Regrouping) -> None:
        raise NotImplementedError

    @classmethod
    def part_sentence(cls, activity: Activity) -> Text:
        """Return what the history of the other incidents says."""
        raise NotImplementedError

    @classmethod
    def activity_texts(cls) -> Mapping[str, ActivityText]:
        part = ActivityText(cls.part_done, cls.icon, cls.part_sentence)
        return {**super().activity_texts(), cls.part_kind: part}

    # --- in the background, where many alerts move

    def snapshot(self) -> list[int]:
        """Return the incidents of the bulk action."""
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        """Return the other fields as JSON."""
        raise NotImplementedError

    @classmethod
    def from_bulk(cls, bulk: BulkAction) -> Self:
        raise NotImplementedError


@dataclass(frozen=True)
class Merge(Grouping):
    """A merge of other incidents into one. New alerts that would have joined the others join that one."""

    into: int
    sources: tuple[int, ...]

    name, kind, part_kind = "merge", Activity.Kind.MERGED_INTO_THIS, Activity.Kind.MERGED_AWAY
    verb, icon, key, key_help = "Merge", "merge", "M", "Merge the selected"
    done, part_done = "Other incidents merged into this one", "Merged into another incident"
    bulk_folders = OPEN_FOLDERS

    @classmethod
    def buttons(cls, incident: Incident, user: User) -> list[Button]:
        return [cls.button(words="Merge others into this", key="", in_menu=True)] if incident.is_open else []

    def regroup(self, by: User) -> Activity:
        pks = {*self.sources} - {self.into}
        if not pks:
            raise InvalidTransition("Choose at least one other incident to merge.")
        change = Regrouping({self.into, *pks}, by, self.comment)
        for each in change.incidents.values():
            check_open(each)
        into = change.incidents[self.into]
        check_room(sum(each.alerts_count for each in change.incidents.values()))
        moved = alerts_of(pks)
        parts = [{"incident": pk, "title": change.incidents[pk].title, "alerts": len(moved[pk])} for pk in sorted(pks)]
        leading = change.write_activity(self.kind, into, {"incidents": parts})
        for pk in sorted(pks):
            details = {"into": into.pk, "title": into.title}
            change.write_activity(self.part_kind, change.incidents[pk], details, part_of=leading)
            change.incidents[pk].merged_into = into
        matchers = Matcher.objects.filter(incident__in=pks)
        change.save_for_undo(leading, moved, matchers=list(matchers.values_list("pk", "incident", "brought_from")))
        matchers.filter(brought_from=None).update(brought_from=F("incident"))
        matchers.update(incident=into)
        put({pk: into.pk for alerts in moved.values() for pk in alerts})
        change.recount()
        return leading

    @classmethod
    def move_back(cls, activity: Activity, moved: AlertsByIncident, change: Regrouping) -> None:
        """Give each merged incident its alerts, its matchers and its address back."""
        change.check_undoable(activity, at=dict.fromkeys(moved, activity.incident_id))
        for pk in moved:
            change.incidents[pk].merged_into = change.incidents[pk].resolved_at = None
        for pk, incident, brought_from in activity.before["matchers"]:
            Matcher.objects.filter(pk=pk).update(incident=incident, brought_from=brought_from)
        put({alert: pk for pk, alerts in moved.items() for alert in alerts})

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        return format_html("merged {} into this incident", incident_links(activity))

    @classmethod
    def part_sentence(cls, activity: Activity) -> Text:
        into = incident_link(activity, activity.details["into"], activity.details["title"])
        return format_html("merged this incident into {}", into)

    def snapshot(self) -> list[int]:
        return list(self.sources)

    def arguments(self) -> dict[str, Any]:
        return {"into": self.into, "comment": self.comment}

    @classmethod
    def from_bulk(cls, bulk: BulkAction) -> Self:
        return cls(**{**bulk.arguments, "sources": tuple(bulk.snapshot)})

    @classmethod
    def bulk_title(cls, bulk: BulkAction) -> str:
        return f"Merge {incidents_counted(bulk.total)} into #{bulk.arguments['into']}"


@dataclass(frozen=True)
class _Splitting(Grouping):
    """An action that takes alerts out of an incident, into incidents that take no alert by themselves."""

    incident: int

    kind, part_kind = Activity.Kind.SPLIT_FROM_THIS, Activity.Kind.SPLIT_OFF
    verb, icon = "Split", "split"
    done, part_done = "Alerts split out", "Split off another incident"

    def split(self, groups: Sequence[tuple[str, Sequence[int]]], by: User) -> Activity:
        """Take each group of alerts into an incident of its own. The text of a group is the title of its incident."""
        change = Regrouping({self.incident}, by, self.comment)
        incident = change.incidents[self.incident]
        check_not_merged(incident)
        chosen = [pk for _, pks in groups for pk in pks]
        check_alerts(incident, chosen)
        if len(chosen) == incident.alerts_count:
            raise InvalidTransition("These are all of its alerts: leave at least one, or there is nothing to split.")
        moved: AlertsByIncident = {}
        made = []
        for value, pks in groups:
            new = change.open_incident(incident)
            moved[new.pk] = list(pks)
            made.append({"incident": new.pk, "alerts": len(pks), "value": value})
        leading = change.write_activity(self.kind, incident, {"incidents": made})
        for pk in moved:
            details = {"from": incident.pk, "title": incident.title, "alerts": len(moved[pk])}
            change.write_activity(self.part_kind, change.incidents[pk], details, part_of=leading)
        change.save_for_undo(leading, moved)
        put({alert: pk for pk, alerts in moved.items() for alert in alerts})
        change.recount(titles={new: value for new, (value, _) in zip(moved, groups, strict=True) if value})
        return leading

    @classmethod
    def move_back(cls, activity: Activity, moved: AlertsByIncident, change: Regrouping) -> None:
        """Give the alerts back. Each incident that was split off leads to the incident that it came from."""
        change.check_undoable(activity, at={pk: pk for pk in moved})
        for pk, alerts in moved.items():
            if change.incidents[pk].alerts_count != len(alerts):
                raise InvalidTransition(f"Alerts have come to #{pk} since: it can be merged, but the split not undone.")
            change.incidents[pk].merged_into = change.incidents[activity.incident_id]
        put({alert: activity.incident_id for alerts in moved.values() for alert in alerts})

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        made = activity.details["incidents"]
        count = sum(each["alerts"] for each in made)
        return format_html("split {} off into {}", alerts_counted(count), incident_links(activity))

    @classmethod
    def part_sentence(cls, activity: Activity) -> Text:
        origin = incident_link(activity, activity.details["from"], activity.details["title"])
        count = alerts_counted(activity.details["alerts"])
        return format_html("split this incident, with {}, off {}", count, origin)

    def snapshot(self) -> list[int]:
        return [self.incident]


@dataclass(frozen=True)
class Split(_Splitting):
    """A split of chosen alerts into an incident of their own. Further alerts keep joining the old one by its patterns."""

    alerts: tuple[int, ...]

    name = "split"

    @classmethod
    def buttons(cls, incident: Incident, user: User) -> list[Button]:
        return [cls.button(words="Split or move alerts", in_menu=True)]

    def regroup(self, by: User) -> Activity:
        return self.split([("", self.alerts)], by)

    def arguments(self) -> dict[str, Any]:
        return {"alerts": list(self.alerts), "comment": self.comment}

    @classmethod
    def from_bulk(cls, bulk: BulkAction) -> Self:
        return cls(**{**bulk.arguments, "incident": bulk.snapshot[0], "alerts": tuple(bulk.arguments["alerts"])})

    @classmethod
    def bulk_title(cls, bulk: BulkAction) -> str:
        return f"Split {alerts_counted(len(bulk.arguments['alerts']))} off"


@dataclass(frozen=True)
class SplitByTag(_Splitting):
    """A split into one incident per value of a tag.

    The alerts without the tag stay. Where each alert has the tag, the alerts of the most frequent value stay.
    """

    tag: str

    name = "split_by_tag"

    def regroup(self, by: User) -> Activity:
        groups: dict[str, list[int]] = defaultdict(list)
        for pk, tags in Alert.objects.filter(incident=self.incident).order_by("pk").values_list("pk", "tags"):
            groups[shown(tags.get(self.tag, ""))].append(pk)
        all_have_tag = not groups.pop("", [])
        if not groups:
            raise InvalidTransition(f"No alert has the tag {self.tag}. Choose another one.")
        if len(groups) < 2 and all_have_tag:
            raise InvalidTransition(f"All alerts have one value of {self.tag}. Choose another tag.")
        if len(groups) > SPLIT_LIMIT + 1:
            raise InvalidTransition(
                f"The alerts have {len(groups):,} values of {self.tag}; a split makes at most {SPLIT_LIMIT} incidents. "
                "Choose another tag."
            )
        stays = max(groups, key=lambda value: len(groups[value])) if all_have_tag else ""
        return self.split([(value, pks) for value, pks in groups.items() if value != stays], by)

    def arguments(self) -> dict[str, Any]:
        return {"tag": self.tag, "comment": self.comment}

    @classmethod
    def from_bulk(cls, bulk: BulkAction) -> Self:
        return cls(**bulk.arguments, incident=bulk.snapshot[0])

    @classmethod
    def bulk_title(cls, bulk: BulkAction) -> str:
        return f"Split an incident by {bulk.arguments['tag']}"


@dataclass(frozen=True)
class Move(Grouping):
    """A move of alerts into another open incident."""

    incident: int
    alerts: tuple[int, ...]
    to: int

    name, kind, part_kind = "move", Activity.Kind.MOVED_AWAY, Activity.Kind.MOVED_HERE
    verb, icon = "Move", "split"
    done, part_done = "Alerts moved to another incident", "Alerts moved here"

    def regroup(self, by: User) -> Activity:
        if self.incident == self.to:
            raise InvalidTransition("They are in this incident already. Choose another one.")
        change = Regrouping({self.incident, self.to}, by, self.comment)
        incident, to = change.incidents[self.incident], change.incidents[self.to]
        check_not_merged(incident)
        check_open(to)
        check_alerts(incident, self.alerts)
        if len(self.alerts) == incident.alerts_count:
            raise InvalidTransition(f"No alert would be left here. Merge this incident into #{to.pk} instead.")
        check_room(to.alerts_count + len(self.alerts))
        names = Alert.objects.filter(pk__in=self.alerts).order_by("pk").values_list("identifier", flat=True)
        details = {"alerts": len(self.alerts), "identifiers": list(names[:NAMES_LIMIT])}
        leading = change.write_activity(self.kind, incident, {"to": to.pk, "title": to.title, **details})
        origin = {"from": incident.pk, "title": incident.title}
        change.write_activity(self.part_kind, to, {**origin, **details}, part_of=leading)
        change.save_for_undo(leading, {to.pk: sorted(self.alerts)})
        put(dict.fromkeys(self.alerts, to.pk))
        change.recount()
        return leading

    @classmethod
    def move_back(cls, activity: Activity, moved: AlertsByIncident, change: Regrouping) -> None:
        change.check_undoable(activity, at={pk: pk for pk in moved})
        put({alert: activity.incident_id for alerts in moved.values() for alert in alerts})

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        to = incident_link(activity, activity.details["to"], activity.details["title"])
        if activity.details["to"] not in activity.seen:  # and neither do readers see the alerts, which are there now
            return format_html("moved {} to {}", alerts_counted(activity.details["alerts"]), to)
        return format_html("moved {} to {}: {}", *cls._told(activity, to))

    @classmethod
    def part_sentence(cls, activity: Activity) -> Text:
        origin = incident_link(activity, activity.details["from"], activity.details["title"])
        return format_html("moved {} here from {}: {}", *cls._told(activity, origin))

    @staticmethod
    def _told(activity: Activity, link: Text) -> tuple[str, Text, str]:
        count = activity.details["alerts"]
        return alerts_counted(count), link, names_listed(activity.details["identifiers"], count)

    def snapshot(self) -> list[int]:
        return [self.incident]

    def arguments(self) -> dict[str, Any]:
        return {"alerts": list(self.alerts), "to": self.to, "comment": self.comment}

    @classmethod
    def from_bulk(cls, bulk: BulkAction) -> Self:
        return cls(**{**bulk.arguments, "incident": bulk.snapshot[0], "alerts": tuple(bulk.arguments["alerts"])})

    @classmethod
    def bulk_title(cls, bulk: BulkAction) -> str:
        return f"Move {alerts_counted(len(bulk.arguments['alerts']))} to #{bulk.arguments['to']}"
