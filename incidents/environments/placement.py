"""Which incidents are in which environments: kept with each incident in the transaction that changes it, so that counting costs one scan.

What holds after every change: an incident is in an environment exactly when the environment's query finds it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType

from django.db import transaction
from django.db.models import Max, Q

import bpql
from db import bulk
from incidents import announce, correlation_lock
from incidents.models import Environment, Incident, Membership
from incidents.models.incident import IncidentQuerySet
from incidents.search import conditions

CHUNK = 5000  # keys of incidents in one transaction of placing them all


def found_by(query: str) -> Q:
    """A query as a condition on incidents, as the integrations and tags stand now; the empty one finds all. Raises BpqlError."""
    return conditions.for_incidents(bpql.parse(query))


@dataclass(slots=True)
class Came:
    """Alerts of an incident that joined it, and those that changed in it; all others of it are as they were."""

    joined: list[bpql.QuerySubject] = field(default_factory=list)
    changed: list[bpql.QuerySubject] = field(default_factory=list)


Seen = Mapping[int, Came]  # by incident


def place(incidents: IncidentQuerySet, seen: Seen = MappingProxyType({})) -> None:
    """Put incidents into the environments whose queries find them now. To be called with the domain held."""
    environments = list(Environment.objects.kept())
    if not environments:
        return
    rows = {incident.pk: incident for incident in incidents.select_related("membership").only("membership")}
    were_in = {pk: set(row.membership.environments if row.membership else ()) for pk, row in rows.items()}
    homes: dict[int, list[int]] = {pk: [] for pk in rows}
    for environment in environments:
        answers = {pk: _answer(pk, came, environment, environment.pk in were_in[pk]) for pk, came in seen.items()}
        found = {pk for pk, is_found in answers.items() if is_found}
        asked = [pk for pk in rows if answers.get(pk) is None]
        # Asked one by one: in one statement for all of them PostgreSQL reads every alert there is for each, instead of those of these incidents.
        if asked:
            finding = incidents.filter(found_by(environment.query), pk__in=asked)
            found |= set(finding.values_list("pk", flat=True))
        for pk in found:
            homes[pk].append(environment.pk)
    keys = {pk: Membership.key_of(found) for pk, found in homes.items()}
    memberships = _memberships(set(keys.values()))
    moved = [incident for pk, incident in rows.items() if incident.membership_id != memberships[keys[pk]]]
    for incident in moved:
        incident.membership_id = memberships[keys[incident.pk]]
    bulk.save(moved, ["membership"])


def _answer(incident: int, came: Came, environment: Environment, was_in: bool) -> bool | None:
    """Whether the query finds an incident, as far as the alerts that came tell: its others, which may be thousands, need not be read again.

    None where they have to be: what changed may have been all that the query found.
    """
    query = bpql.parse(environment.query)
    if not query.is_about_one_alert:
        return None
    if any(map(query.matches, chain(came.joined, came.changed))):
        return True
    was_placed = environment.unplaced_below is None or incident >= environment.unplaced_below
    return was_in if was_placed and not (was_in and came.changed) else None


def follow(incidents: Collection[int]) -> None:
    """Let environments and open pages follow a change of these incidents. To be called in the transaction that makes it, with the domain held."""
    if incidents:
        place(Incident.objects.filter(pk__in=incidents))
    transaction.on_commit(lambda: announce.announce(incidents))


def follow_alerts(seen: Seen) -> None:
    """As `follow`, of alerts that came or changed."""
    if seen:
        place(Incident.objects.filter(pk__in=seen), seen)
    transaction.on_commit(lambda: announce.announce(list(seen)))


def follow_deed(incidents: Collection[int]) -> None:
    """As `follow`, of what people did and the incidents kept their alerts: only queries about that are asked again."""
    for environment in Environment.objects.kept() if incidents else ():
        if bpql.parse(environment.query).asks_about_actions:
            _place_in(environment, Incident.objects.filter(pk__in=incidents))
    transaction.on_commit(lambda: announce.announce(incidents))


def _memberships(keys: set[str]) -> dict[str, int]:
    """The combinations with these keys; one that is new is written down. Whoever is here holds the domain, so nobody else does it too."""
    known = dict(Membership.objects.filter(key__in=keys).values_list("key", "pk"))
    for key in keys - known.keys():
        known[key] = Membership.objects.create(key=key).pk
    return known


def begin_placing(environment: Environment) -> None:
    """Note that the environment's query is new: every incident has to be asked again."""
    environment.unplaced_below = (Incident.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
    environment.save(update_fields=["unplaced_below"])


def place_all() -> None:
    """Place every incident that a new query has not seen, the newest first. It can stop anywhere and go on later; several at it share the work."""
    while _place_chunk():
        announce.announce()


@transaction.atomic
def _place_chunk() -> bool:
    """Place the next CHUNK of incidents and note it; False when there are none left."""
    correlation_lock.hold()
    unplaced = Environment.objects.kept().filter(unplaced_below__isnull=False).order_by("-unplaced_below")
    below = unplaced.values_list("unplaced_below", flat=True).first()
    if below is None:
        return False
    first = below - CHUNK
    for environment in unplaced.filter(unplaced_below=below):
        _place_in(environment, Incident.objects.filter(pk__gte=first, pk__lt=below))
    Environment.objects.filter(unplaced_below__gte=below).update(unplaced_below=first if first > 0 else None)
    return True


def _place_in(environment: Environment, incidents: IncidentQuerySet) -> None:
    """Let one environment hold those of the incidents that its query finds, and no others. What else they are in stays."""
    homes = {each.pk: each.environments for each in Membership.objects.all()}
    finds, is_held = found_by(environment.query), Q(membership__in=Membership.of(environment))
    moves: dict[str, list[int]] = defaultdict(list)
    for pk, membership in incidents.filter(finds).exclude(is_held).values_list("pk", "membership"):
        moves[Membership.key_of([*homes.get(membership or 0, ()), environment.pk])].append(pk)
    for pk, membership in incidents.filter(is_held).exclude(finds).values_list("pk", "membership"):
        others = [other for other in homes[membership or 0] if other != environment.pk]
        moves[Membership.key_of(others)].append(pk)
    memberships = _memberships(set(moves))
    for key, pks in moves.items():
        Incident.objects.filter(pk__in=pks).update(membership=memberships[key])
