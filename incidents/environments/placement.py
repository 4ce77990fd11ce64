"""Placement of incidents in environments.

After every change an incident is in an environment exactly when the query of the environment finds the incident. The
environments of an incident are stored with the incident, in the transaction that changes the incident, so that
counting by environment takes one scan.

An incident that was merged away is in the environments of the incident that has its alerts, so that its history stays
with those who may see the alerts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from django.db import transaction
from django.db.models import Max, Q

import bpql
from db import bulk
from incidents import announce, correlation_lock
from incidents.models import Environment, Incident, Membership
from incidents.models.incident import IncidentQuerySet
from incidents.search import conditions

CHUNK = 5000  # range of incident keys that `place_unplaced` covers in one transaction


def found_by(query: str) -> Q:
    """Return a query as a condition on incidents. An empty query finds every incident. Raise BpqlError.

    The condition names the integrations and incident tags of this moment. Do not keep the condition for later.
    """
    return conditions.for_incidents(bpql.parse(query))


@dataclass(slots=True)
class AlertChanges:
    """Alerts of one incident that joined the incident or changed in it.

    All other alerts of the incident are as before.
    """

    joined: list[bpql.QuerySubject] = field(default_factory=list)
    changed: list[bpql.QuerySubject] = field(default_factory=list)

    def are_found_by(self, query: bpql.Query) -> bool:
        """Return whether a query about one alert matches one of these alerts."""
        return any(map(query.matches, chain(self.joined, self.changed)))


# --- after a change: call one of these in the transaction of the change, with the correlation lock held


def place(incidents: Collection[int]) -> None:
    """Put incidents into the environments whose queries find them, and announce the incidents after the commit."""
    _place(incidents, {})
    _announce_on_commit(incidents)


def place_after_alerts(changes: Mapping[int, AlertChanges]) -> None:
    """Place incidents as `place` does, after alerts joined or changed. `changes` has an entry for each incident.

    The other alerts of an incident, which may be thousands, are read only where the changed alerts do not decide.
    """
    _place(changes, changes)
    _announce_on_commit(changes)


def place_after_action(incidents: Collection[int]) -> None:
    """Place incidents as `place` does, for an action that moved no alert. Re-check only queries about actions."""
    for environment in Environment.objects.kept() if incidents else ():
        if bpql.parse(environment.query).asks_about_actions:
            _place_in(environment, Incident.objects.filter(pk__in=incidents))
    _announce_on_commit(incidents)


def _announce_on_commit(incidents: Collection[int]) -> None:
    transaction.on_commit(lambda: announce.announce(incidents))


def _place(incidents: Collection[int], changes: Mapping[int, AlertChanges]) -> None:
    environments = list(Environment.objects.kept()) if incidents else []
    if not environments:
        return
    rows = Incident.objects.filter(pk__in=incidents).select_related("membership").only("membership", "merged_into")
    known = {incident.pk: incident for incident in rows}
    followed = {merged for pk in list(known) if (merged := known[pk].merged_into_id) and known.pop(pk)}
    placed_in: dict[int, list[int]] = {pk: [] for pk in known}
    for environment in environments:
        for pk in _found(environment, known, changes):
            placed_in[pk].append(environment.pk)
    keys = {pk: Membership.key_of(found) for pk, found in placed_in.items()}
    memberships = _memberships(set(keys.values()))
    moved = [incident for pk, incident in known.items() if incident.membership_id != memberships[keys[pk]]]
    # Nothing was merged into an incident that is new.
    followed.update(incident.pk for incident in moved if incident.membership_id is not None)
    for incident in moved:
        incident.membership_id = memberships[keys[incident.pk]]
    bulk.save(moved, ["membership"])
    _place_merged(Q(merged_into__in=followed) if followed else None)


def _found(
    environment: Environment, incidents: Mapping[int, Incident], changes: Mapping[int, AlertChanges]
) -> Iterator[int]:
    """Yield the keys of the incidents that the query of an environment finds."""
    query = bpql.parse(environment.query)
    undecided = []
    for pk, incident in incidents.items():
        decision = _decide(environment, query, incident, changes[pk]) if pk in changes else None
        if decision is None:
            undecided.append(pk)
        elif decision:
            yield pk
    if undecided:
        # One statement for each environment: for one statement about all of them PostgreSQL reads every stored alert.
        finding = Incident.objects.filter(found_by(environment.query), pk__in=undecided)
        yield from finding.values_list("pk", flat=True)


def _decide(environment: Environment, query: bpql.Query, incident: Incident, changes: AlertChanges) -> bool | None:
    """Return whether a query finds an incident, as far as the changed alerts tell. Return None where they do not tell.

    1. A query about more than one alert has to read the incident.
    2. A joined or changed alert that matches is enough.
    3. A stored placement by an earlier query says nothing about this query.
    4. An incident that the query did not find before is still not found.
    5. An alert that changed may have been the only match. Without such an alert the incident is still found.
    """
    if not query.is_about_one_alert:
        return None
    if changes.are_found_by(query):
        return True
    if environment.unplaced_below is not None and incident.pk < environment.unplaced_below:
        return None
    if incident.membership is None or environment.pk not in incident.membership.environments:
        return False
    return None if changes.changed else True


def _memberships(keys: set[str]) -> dict[str, int]:
    """Return the key of the row of each combination of environments. Create missing rows.

    The correlation lock prevents that two processes create the same row.
    """
    known = dict(Membership.objects.filter(key__in=keys).values_list("key", "pk"))
    for key in keys - known.keys():
        known[key] = Membership.objects.create(key=key).pk
    return known


def _place_merged(merged: Q | None) -> None:
    """Put incidents that were merged away into the environments of the incidents that they were merged into."""
    while merged is not None:
        rows = list(Incident.objects.filter(merged).values_list("pk", "membership", "merged_into__membership"))
        moves: dict[int | None, list[int]] = defaultdict(list)
        for pk, placed_in, target in rows:
            if placed_in != target:
                moves[target].append(pk)
        for membership, pks in moves.items():
            Incident.objects.filter(pk__in=pks).update(membership=membership)
        moved = [pk for pks in moves.values() for pk in pks]
        merged = Q(merged_into__in=moved) if moved else None


# --- after a change of a query: in the background, the newest incidents first


def mark_unplaced(environment: Environment) -> None:
    """Mark every incident as not yet placed by the query of an environment, because the query is new."""
    environment.unplaced_below = (Incident.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
    environment.save(update_fields=["unplaced_below"])


def place_unplaced() -> None:
    """Place every incident that a new query has not placed yet.

    An interrupted call loses at most one chunk. Calls at the same time share the work.
    """
    while _place_chunk():
        announce.announce()


@transaction.atomic
def _place_chunk() -> bool:
    """Place the next CHUNK of incidents. Return False when no incident is left."""
    correlation_lock.hold()
    unplaced = Environment.objects.kept().filter(unplaced_below__isnull=False).order_by("-unplaced_below")
    below = unplaced.values_list("unplaced_below", flat=True).first()
    if below is None:
        return False
    first = below - CHUNK
    for environment in unplaced.filter(unplaced_below=below):
        _place_in(environment, Incident.objects.filter(pk__gte=first, pk__lt=below))
    _place_merged(Q(merged_into__gte=first, merged_into__lt=below))
    Environment.objects.filter(unplaced_below__gte=below).update(unplaced_below=first if first > 0 else None)
    return True


def _place_in(environment: Environment, incidents: IncidentQuerySet) -> None:
    """Put incidents into or out of one environment. Their placement in other environments stays."""
    incidents = incidents.filter(merged_into=None)
    environments = {each.pk: each.environments for each in Membership.objects.all()}
    is_found, is_placed = found_by(environment.query), Q(membership__in=Membership.of(environment))
    moves: dict[str, list[int]] = defaultdict(list)
    for pk, membership in incidents.filter(is_found).exclude(is_placed).values_list("pk", "membership"):
        moves[Membership.key_of([*environments.get(membership or 0, ()), environment.pk])].append(pk)
    for pk, membership in incidents.filter(is_placed).exclude(is_found).values_list("pk", "membership"):
        others = [other for other in environments[membership or 0] if other != environment.pk]
        moves[Membership.key_of(others)].append(pk)
    memberships = _memberships(set(moves))
    for key, pks in moves.items():
        Incident.objects.filter(pk__in=pks).update(membership=memberships[key])
    followed = [pk for pks in moves.values() for pk in pks]
    _place_merged(Q(merged_into__in=followed) if followed else None)
