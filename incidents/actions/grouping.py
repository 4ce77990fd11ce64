"""Merging incidents, splitting alerts out, moving them: groupings made by hand, which correlation never undoes (docs/how-it-works.md §8.2).

Each is told on both sides, and undone as one; what an incident was merged into is where its URL leads meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from alerts.events import shown
from alerts.models import Alert
from db import bulk
from incidents import correlation_lock
from incidents.actions.action import InvalidTransition, locked, tell_undone
from incidents.actions.recount import rollups_of, save
from incidents.correlation import correlation_log
from incidents.correlation.rollup import NAMES_LIMIT, AlertSnapshot
from incidents.environments import placement
from incidents.models import Activity, Incident, Matcher
from people.models import User

Kind = Activity.Kind
SPLIT_LIMIT = 100  # incidents that one split may make
Placed = dict[int, list[int]]  # alerts by the incident they were in, or came to
NOTHING: Mapping[str, str] = MappingProxyType({})
NO_TITLES: Mapping[int, str] = MappingProxyType({})


# --- merge


@transaction.atomic
def merge(into: Incident, sources: Collection[Incident], *, by: User, comment: str = "") -> Activity:
    """Gather the alerts of other incidents in this one. New alerts that would have joined those join it.

    Raises InvalidTransition where one of them is resolved or merged away, or together they have more alerts than an incident may have.
    """
    pks = {each.pk for each in sources} - {into.pk}
    if not pks:
        raise InvalidTransition("Choose at least one other incident to merge.")
    change = _Change({into.pk, *pks}, by, comment)
    for each in change.incidents.values():
        _must_be_open(each)
    into = change.incidents[into.pk]
    _must_have_room(sum(each.alerts_count for each in change.incidents.values()))
    moved = _alerts_of(pks)
    parts = [{"incident": pk, "title": change.incidents[pk].title, "alerts": len(moved[pk])} for pk in sorted(pks)]
    leading = change.tell(Kind.MERGED_INTO_THIS, into, {"incidents": parts})
    for pk in sorted(pks):
        details = {"into": into.pk, "title": into.title}
        change.tell(Kind.MERGED_AWAY, change.incidents[pk], details, part_of=leading)
        change.incidents[pk].merged_into = into
    matchers = Matcher.objects.filter(incident__in=pks)
    change.remember(leading, moved, matchers=list(matchers.values_list("pk", "incident", "brought_from")))
    matchers.filter(brought_from=None).update(brought_from=F("incident"))
    matchers.update(incident=into)
    _place({pk: into.pk for alerts in moved.values() for pk in alerts})
    change.count_anew()
    return leading


@transaction.atomic
def undo_merge(activity: Activity, *, by: User) -> Activity:
    """Each incident that was merged has its alerts, its matchers and its URL again."""
    moved = _moved(activity)
    change = _Change({activity.incident_id, *moved}, by)
    change.must_stand(activity, at=dict.fromkeys(moved, activity.incident_id))
    for pk in moved:
        change.incidents[pk].merged_into = change.incidents[pk].resolved_at = None
    for pk, incident, brought_from in activity.before["matchers"]:
        Matcher.objects.filter(pk=pk).update(incident=incident, brought_from=brought_from)
    _place({alert: pk for pk, alerts in moved.items() for alert in alerts})
    return change.undo(activity)


# --- split


@transaction.atomic
def split(incident: Incident, alerts: Collection[int], *, by: User, comment: str = "") -> Activity:
    """Take alerts out into an incident of their own. Further alerts keep joining the old one by its patterns.

    Raises InvalidTransition where none or all of its alerts are chosen, or one of them is not in it.
    """
    return _split(incident, [("", list(alerts))], by, comment)


@transaction.atomic
def split_by_tag(incident: Incident, tag: str, *, by: User, comment: str = "") -> Activity:
    """One incident per value of a tag: the value that most alerts have stays here, as do alerts without the tag.

    Raises InvalidTransition where the alerts have fewer than two values, or too many.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for pk, tags in Alert.objects.filter(incident=incident).order_by("pk").values_list("pk", "tags"):
        if value := shown(tags.get(tag, "")):
            groups[value].append(pk)
    if len(groups) < 2 and sum(map(len, groups.values())) == incident.alerts_count:
        raise InvalidTransition(f"All alerts have one value of {tag}. Choose another tag.")
    if not groups:
        raise InvalidTransition(f"No alert has the tag {tag}. Choose another one.")
    if len(groups) > SPLIT_LIMIT + 1:
        raise InvalidTransition(
            f"The alerts have {len(groups):,} values of {tag}; a split makes at most {SPLIT_LIMIT} incidents. Choose another tag."
        )
    rest_has_none = sum(map(len, groups.values())) < incident.alerts_count
    stays = "" if rest_has_none else max(groups, key=lambda value: len(groups[value]))
    return _split(incident, [(value, pks) for value, pks in groups.items() if value != stays], by, comment)


def _split(incident: Incident, groups: Sequence[tuple[str, list[int]]], by: User, comment: str) -> Activity:
    change = _Change({incident.pk}, by, comment)
    incident = change.incidents[incident.pk]
    _must_be_here(incident)
    chosen = [pk for _, pks in groups for pk in pks]
    _must_be_its_own(incident, chosen)
    if len(chosen) == incident.alerts_count:
        raise InvalidTransition("These are all of its alerts: leave at least one, or there is nothing to split.")
    moved: Placed = {}
    told = []
    for value, pks in groups:
        new = change.open(incident)
        moved[new.pk] = pks
        told.append({"incident": new.pk, "alerts": len(pks), "value": value})
    leading = change.tell(Kind.SPLIT_FROM_THIS, incident, {"incidents": told})
    for pk in moved:
        details = {"from": incident.pk, "title": incident.title, "alerts": len(moved[pk])}
        change.tell(Kind.SPLIT_OFF, change.incidents[pk], details, part_of=leading)
    change.remember(leading, moved)
    _place({alert: pk for pk, alerts in moved.items() for alert in alerts})
    change.count_anew(titles={new: value for new, (value, _) in zip(moved, groups, strict=True) if value})
    return leading


@transaction.atomic
def undo_split(activity: Activity, *, by: User) -> Activity:
    """The alerts are back; the incidents that were split off lead to the one they came from."""
    moved = _moved(activity)
    change = _Change({activity.incident_id, *moved}, by)
    change.must_stand(activity, at={pk: pk for pk in moved})
    for pk, alerts in moved.items():
        if change.incidents[pk].alerts_count != len(alerts):
            raise InvalidTransition(f"Alerts have come to #{pk} since: it can be merged, but the split not undone.")
        change.incidents[pk].merged_into = change.incidents[activity.incident_id]
    _place({alert: activity.incident_id for alerts in moved.values() for alert in alerts})
    return change.undo(activity)


# --- move


@transaction.atomic
def move(incident: Incident, alerts: Collection[int], *, to: Incident, by: User, comment: str = "") -> Activity:
    """Put alerts into another incident.

    Raises InvalidTransition where that one is resolved or full, or where no alert would be left here.
    """
    if incident.pk == to.pk:
        raise InvalidTransition("They are in this incident already. Choose another one.")
    change = _Change({incident.pk, to.pk}, by, comment)
    incident, to = change.incidents[incident.pk], change.incidents[to.pk]
    _must_be_here(incident)
    _must_be_open(to)
    _must_be_its_own(incident, alerts)
    if len(alerts) == incident.alerts_count:
        raise InvalidTransition(f"No alert would be left here. Merge this incident into #{to.pk} instead.")
    _must_have_room(to.alerts_count + len(alerts))
    names = Alert.objects.filter(pk__in=alerts).order_by("pk").values_list("identifier", flat=True)
    details = {"alerts": len(alerts), "identifiers": list(names[:NAMES_LIMIT])}
    leading = change.tell(Kind.MOVED_AWAY, incident, {"to": to.pk, "title": to.title, **details})
    change.tell(Kind.MOVED_HERE, to, {"from": incident.pk, "title": incident.title, **details}, part_of=leading)
    change.remember(leading, {to.pk: sorted(alerts)})
    _place(dict.fromkeys(alerts, to.pk))
    change.count_anew()
    return leading


@transaction.atomic
def undo_move(activity: Activity, *, by: User) -> Activity:
    moved = _moved(activity)
    change = _Change({activity.incident_id, *moved}, by)
    change.must_stand(activity, at={pk: pk for pk in moved})
    _place({alert: activity.incident_id for alerts in moved.values() for alert in alerts})
    return change.undo(activity)


# --- what they have in common


class _Change:
    """Incidents held while alerts change places among them, told on every side, and counted anew."""

    def __init__(self, pks: Collection[int], by: User, comment: str = "") -> None:
        correlation_lock.hold()
        self.incidents = {each.pk: each for each in locked(pks)}
        self.by, self.comment, self.at = by, comment, timezone.now()

    def open(self, origin: Incident) -> Incident:
        """A new incident, which takes no alerts by itself."""
        new = Incident.objects.create(started_at=origin.started_at, changed_at=self.at)
        self.incidents[new.pk] = new
        return new

    def tell(
        self, kind: Kind, incident: Incident, details: dict[str, Any], *, part_of: Activity | None = None
    ) -> Activity:
        return Activity.objects.create(
            incident=incident, kind=kind, at=self.at, by=self.by, comment=self.comment, details=details, part_of=part_of
        )

    def remember(self, leading: Activity, moved: Placed, **further: Any) -> None:
        """What undo needs: which alerts were or are in which of the other incidents, and when the incidents had changed."""
        changed_at = {str(pk): each.changed_at.isoformat() for pk, each in self.incidents.items()}
        placed = [[pk, alerts] for pk, alerts in moved.items()]
        leading.before = {"moved": placed, "changed_at": changed_at, **further}
        leading.save(update_fields=["before"])

    def must_stand(self, activity: Activity, *, at: Mapping[int, int]) -> None:
        """Whether all is still as the activity left it; `at` says where the alerts of each of the other incidents are."""
        if Activity.objects.filter(pk=activity.pk, undone_at__isnull=False).exists():
            raise InvalidTransition("This was undone already.")
        for each in self.incidents.values():
            if each.merged_into_id and each.merged_into_id not in at.values():
                raise InvalidTransition(f"#{each.pk} was merged into #{each.merged_into_id} since: undo that first.")
        for pk, alerts in _moved(activity).items():
            if Alert.objects.filter(pk__in=alerts, incident=at[pk]).count() != len(alerts):
                raise InvalidTransition("Some of its alerts were moved since: undo that first.")

    def undo(self, activity: Activity) -> Activity:
        Activity.objects.filter(Q(pk=activity.pk) | Q(part_of=activity)).update(undone_at=self.at)
        undone = tell_undone(activity, by=self.by, at=self.at)
        undone.save()
        for part in activity.parts.all():
            tell_undone(part, by=self.by, at=self.at).save()
        self.count_anew(changed_at=activity.before["changed_at"])
        return undone

    def count_anew(self, *, changed_at: Mapping[str, str] = NOTHING, titles: Mapping[int, str] = NO_TITLES) -> None:
        """By the alerts that are in each now; where that resolves or reopens one, it is told."""
        rollups = rollups_of(self.incidents.values())
        # Locked in order of the key, as ingest writes them, so that the two do not wait for each other.
        rows = Alert.objects.filter(incident__in=list(rollups)).select_for_update(of=("self",)).order_by("pk")
        alerts = [AlertSnapshot.of(row) for row in rows.select_related("app_key")]
        for pk, rollup in rollups.items():
            was_changed_at = changed_at.get(str(pk))
            rollup.incident.changed_at = datetime.fromisoformat(was_changed_at) if was_changed_at else self.at
            rollup.recount([alert for alert in alerts if alert.incident_id == pk], self.at)
            if pk in titles and rollup.incident.alerts_count > 1:
                rollup.set_title(titles[pk])
        bulk.save(alerts, ["counted_status"], model=Alert)
        save(rollups)
        bulk.save(list(self.incidents.values()), ["merged_into"])
        placement.place(list(self.incidents))
        correlation_log.record_manual_change(self.incidents, self.at)


def _moved(activity: Activity) -> Placed:
    return dict(activity.before["moved"])


def _alerts_of(incidents: Collection[int]) -> Placed:
    placed: Placed = {pk: [] for pk in incidents}
    for pk, incident in Alert.objects.filter(incident__in=incidents).order_by("pk").values_list("pk", "incident"):
        placed[incident].append(pk)
    return placed


def _place(incident_of: Mapping[int, int]) -> None:
    """Put alerts into incidents."""
    bulk.save([Alert(pk=pk, incident_id=incident) for pk, incident in sorted(incident_of.items())], ["incident"])


def _must_be_here(incident: Incident) -> None:
    if incident.merged_into_id:
        raise InvalidTransition(f"#{incident.pk} was merged into #{incident.merged_into_id}: act there.")


def _must_be_open(incident: Incident) -> None:
    _must_be_here(incident)
    if not incident.is_open:
        raise InvalidTransition(f"#{incident.pk} is resolved. Reopen it first.")


def _must_have_room(count: int) -> None:
    limit = settings.ALERTS_PER_INCIDENT
    if count > limit:
        raise InvalidTransition(
            f"Together they have {count:,} alerts; an incident can have {limit:,} (the setting CONSOLE_ALERTS_PER_INCIDENT)."
        )


def _must_be_its_own(incident: Incident, alerts: Collection[int]) -> None:
    if not alerts:
        raise InvalidTransition("Choose at least one alert.")
    if Alert.objects.filter(pk__in=alerts, incident=incident).count() != len(set(alerts)):
        raise InvalidTransition("Some of these alerts are not in the incident any more. Look again, and choose anew.")
