"""Incidents whose alerts a person moves: locked, told in the history of each, and recounted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from alerts.models import Alert
from db import bulk
from incidents import correlation_lock
from incidents.actions.action import InvalidTransition, locked, undo_activity
from incidents.actions.recount import rollups_of, save
from incidents.correlation import correlation_log
from incidents.correlation.rollup import AlertSnapshot
from incidents.environments import placement
from incidents.models import Activity, Incident, access
from people.models import User

AlertsByIncident = dict[int, list[int]]  # keys of alerts
NO_TIMES: Mapping[str, str] = MappingProxyType({})
NO_TITLES: Mapping[int, str] = MappingProxyType({})


class Regrouping:
    """Locked incidents, among which alerts move in the present transaction.

    Raises InvalidTransition where the person may not act on all of them.
    """

    def __init__(self, pks: Collection[int], by: User, comment: str = "") -> None:
        correlation_lock.hold()
        self.incidents = {each.pk: each for each in locked(pks)}
        self.by, self.comment, self.at = by, comment, timezone.now()
        closed = access.closed_to_acting(by)
        if any(each.membership_id in closed for each in self.incidents.values()):
            raise InvalidTransition(access.NOT_ALL_YOURS)

    def open_incident(self, origin: Incident) -> Incident:
        """Create an incident without matchers, which no alert joins by itself."""
        new = Incident.objects.create(started_at=origin.started_at, changed_at=self.at)
        self.incidents[new.pk] = new
        return new

    def write_activity(
        self, kind: str, incident: Incident, details: dict[str, Any], *, part_of: Activity | None = None
    ) -> Activity:
        return Activity.objects.create(
            incident=incident, kind=kind, at=self.at, by=self.by, comment=self.comment, details=details, part_of=part_of
        )

    def save_for_undo(self, leading: Activity, moved: AlertsByIncident, **further: Any) -> None:
        """Store what undo needs: the alerts by the other incident that they left or joined, and when each incident had changed."""
        changed_at = {str(pk): each.changed_at.isoformat() for pk, each in self.incidents.items()}
        leading.before = {
            "moved": [[pk, alerts] for pk, alerts in moved.items()],
            "changed_at": changed_at,
            **further,
        }
        leading.save(update_fields=["before"])

    def check_undoable(self, activity: Activity, *, at: Mapping[int, int]) -> None:
        """Raise InvalidTransition where the result of the activity was changed since.

        `at` names, for each of the other incidents, the incident that has its moved alerts now.
        """
        if Activity.objects.filter(pk=activity.pk, undone_at__isnull=False).exists():
            raise InvalidTransition("This was undone already.")
        for each in self.incidents.values():
            if each.merged_into_id and each.merged_into_id not in at.values():
                raise InvalidTransition(f"#{each.pk} was merged into #{each.merged_into_id} since: undo that first.")
        for pk, alerts in moved_by(activity).items():
            if Alert.objects.filter(pk__in=alerts, incident=at[pk]).count() != len(alerts):
                raise InvalidTransition("Some of its alerts were moved since: undo that first.")

    def finish_undo(self, activity: Activity) -> Activity:
        """Mark the activity and its parts as undone, write an activity for each, and recount the incidents."""
        Activity.objects.filter(Q(pk=activity.pk) | Q(part_of=activity)).update(undone_at=self.at)
        undone = undo_activity(activity, by=self.by, at=self.at)
        undone.save()
        for part in activity.parts.all():
            undo_activity(part, by=self.by, at=self.at).save()
        self.recount(changed_at=activity.before["changed_at"])
        return undone

    def recount(self, *, changed_at: Mapping[str, str] = NO_TIMES, titles: Mapping[int, str] = NO_TITLES) -> None:
        """Count the alerts of each incident, and write an activity where an incident resolves or reopens by that."""
        rollups = rollups_of(self.incidents.values())
        # Ingest locks alerts in order of the key too, so the two do not wait for each other.
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


def moved_by(activity: Activity) -> AlertsByIncident:
    """Return the alerts that an activity moved, as `save_for_undo` stored them."""
    return dict(activity.before["moved"])


def alerts_of(incidents: Collection[int]) -> AlertsByIncident:
    found: AlertsByIncident = {pk: [] for pk in incidents}
    for pk, incident in Alert.objects.filter(incident__in=incidents).order_by("pk").values_list("pk", "incident"):
        found[incident].append(pk)
    return found


def put(incident_of: Mapping[int, int]) -> None:
    """Put alerts into incidents: keys of incidents by keys of alerts."""
    bulk.save([Alert(pk=pk, incident_id=incident) for pk, incident in sorted(incident_of.items())], ["incident"])


# --- checks, which raise InvalidTransition


def check_not_merged(incident: Incident) -> None:
    if incident.merged_into_id:
        raise InvalidTransition(f"#{incident.pk} was merged into #{incident.merged_into_id}: act there.")


def check_open(incident: Incident) -> None:
    check_not_merged(incident)
    if not incident.is_open:
        raise InvalidTransition(f"#{incident.pk} is resolved. Reopen it first.")


def check_room(count: int) -> None:
    limit = settings.ALERTS_PER_INCIDENT
    if count > limit:
        raise InvalidTransition(
            f"Together they have {count:,} alerts; an incident can have {limit:,} (the setting CONSOLE_ALERTS_PER_INCIDENT)."
        )


def check_alerts(incident: Incident, alerts: Collection[int]) -> None:
    """Check that there are alerts, and that each of them is in the incident."""
    if not alerts:
        raise InvalidTransition("Choose at least one alert.")
    if Alert.objects.filter(pk__in=alerts, incident=incident).count() != len(set(alerts)):
        raise InvalidTransition("Some of these alerts are not in the incident any more. Look again, and choose anew.")
