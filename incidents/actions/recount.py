"""Incidents whose alerts a person changed or moved: read with their matchers, recounted, and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from incidents.correlation.matchers import matchers_of
from incidents.correlation.rollup import IncidentRollup, save_rollups
from incidents.models import Incident
from incidents.search import index


def rollups_of(incidents: Iterable[Incident]) -> dict[int, IncidentRollup]:
    """Return the rollups of incidents that the caller has locked, by incident."""
    incidents = list(incidents)
    matchers = matchers_of([incident.pk for incident in incidents])
    return {incident.pk: IncidentRollup(incident, matchers[incident.pk]) for incident in incidents}


def save(rollups: Mapping[int, IncidentRollup]) -> None:
    """Write the incidents with their matchers, activities and search texts."""
    save_rollups(rollups.values())
    index.keep_of([each.incident.pk for each in rollups.values() if each.incident.is_open])
