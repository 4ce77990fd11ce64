"""Incidents whose alerts a person changed or moved: read with their matchers, counted anew, and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from db import bulk
from incidents.correlation.matchers import matchers_of
from incidents.correlation.rollup import HANDLING_FIELDS, ROLLUP_FIELDS, IncidentRollup, write_matchers
from incidents.models import Incident
from incidents.search import index


def rollups_of(incidents: Iterable[Incident]) -> dict[int, IncidentRollup]:
    """By incident; whoever reads them has locked the incidents."""
    incidents = list(incidents)
    matchers = matchers_of([incident.pk for incident in incidents])
    return {incident.pk: IncidentRollup(incident, matchers[incident.pk]) for incident in incidents}


def save(rollups: Mapping[int, IncidentRollup]) -> None:
    bulk.save([each.incident for each in rollups.values()], ROLLUP_FIELDS)
    bulk.save([each.incident for each in rollups.values() if each.handling_changed], HANDLING_FIELDS)
    write_matchers(rollups.values())
    bulk.create([activity for each in rollups.values() for activity in each.activities])
    index.keep_of([each.incident.pk for each in rollups.values() if each.incident.is_open])
