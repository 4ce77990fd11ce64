"""Incidents whose alerts a person changed or moved: read with their matchers, counted anew, and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from db import bulk
from incidents.correlation.matchers import leads_of
from incidents.correlation.rollup import HANDLED, ROLLED_UP, Gathering, write_leads
from incidents.models import Incident
from incidents.search import index


def gatherings_of(incidents: Iterable[Incident]) -> dict[int, Gathering]:
    """By incident; whoever reads them has locked the incidents."""
    incidents = list(incidents)
    matchers = leads_of([incident.pk for incident in incidents])
    return {incident.pk: Gathering(incident, matchers[incident.pk]) for incident in incidents}


def save(gatherings: Mapping[int, Gathering]) -> None:
    bulk.save([each.incident for each in gatherings.values()], ROLLED_UP)
    bulk.save([each.incident for each in gatherings.values() if each.handled_anew], HANDLED)
    write_leads(gatherings.values())
    bulk.create([activity for each in gatherings.values() for activity in each.activities])
    index.keep_of([each.incident.pk for each in gatherings.values() if each.incident.is_open])
