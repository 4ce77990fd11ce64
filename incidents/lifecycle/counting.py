"""Incidents whose alerts a person changed or moved: read with their matchers, counted anew, and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alerts import sets
from incidents.correlator import write_matchers
from incidents.gathering import HANDLED, ROLLED_UP, Gathering
from incidents.models import Activity, Incident, Matcher


def gatherings_of(incidents: Iterable[Incident]) -> dict[int, Gathering]:
    """By incident; whoever reads them has locked the incidents."""
    gatherings = {incident.pk: Gathering(incident) for incident in incidents}
    for matcher in Matcher.objects.filter(incident__in=list(gatherings)).order_by("pk"):
        gathering = gatherings[matcher.incident_id]
        matcher.incident = gathering.incident
        gathering.matchers.append(matcher)
    return gatherings


def save(gatherings: Mapping[int, Gathering]) -> None:
    sets.save([each.incident for each in gatherings.values()], ROLLED_UP)
    sets.save([each.incident for each in gatherings.values() if each.handled_anew], HANDLED)
    write_matchers(gatherings.values())
    Activity.objects.bulk_create(activity for each in gatherings.values() for activity in each.activities)
