"""Openings: incidents that a change of an environment shows to roles that could not see them before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from django.db.models import Count

from db import time_limit
from incidents.environments.placement import found_by
from incidents.models import Environment, Incident, Membership
from incidents.models.environment import is_closed, limits_of
from incidents.models.incident import IncidentQuerySet
from people.models import Role

Places: TypeAlias = tuple[int | None, ...]  # primary keys of environments; None for one that is not stored yet


@dataclass(frozen=True, slots=True)
class Opening:
    """The number of incidents that a change opens to a role, besides those to come."""

    role: Role
    incidents: int


class OpensIncidents(Exception):
    """A change that opens incidents, and that nobody has confirmed."""

    def __init__(self, openings: list[Opening]) -> None:
        super().__init__("This change opens incidents to other roles. Confirm it to make it.")
        self.openings = openings


def opened(before: Environment | None, after: Environment | None) -> list[Opening]:
    """Return what a change opens to which roles.

    `before` is None for a new environment, `after` for a deletion.

    1. Stored incidents are counted by their combination of environments, and by whether the changed query finds them.
    2. A role is opened what was closed to it before and is not afterwards.
    3. A role that the environment kept out, and keeps out no longer, is named also where there is no incident yet.
    """
    if not (before and before.seen_by) and not (after and after.seen_by and after.set_by_administrator):
        return []
    others = [each for each in Environment.objects.kept() if before is None or each.pk != before.pk]
    limits_before = limits_of([*others, *([before] if before else [])], keeping="seen_by")
    limits_after = limits_of([*others, *([after] if after else [])], keeping="seen_by")
    counts = _counts(before, after, limits_before)
    found = []
    for role in Role.objects.in_order():
        if role.opens_everything:
            continue
        number = sum(
            count
            for (was_in, is_in), count in counts.items()
            if is_closed(was_in, role.pk, limits_before) and not is_closed(is_in, role.pk, limits_after)
        )
        if number or _lets_in(role, before, after):
            found.append(Opening(role, number))
    return found


def _lets_in(role: Role, before: Environment | None, after: Environment | None) -> bool:
    was_kept_out = bool(before and before.seen_by and role.pk not in before.seen_by)
    return was_kept_out and not (after and after.seen_by and role.pk not in after.seen_by)


def _counts(
    before: Environment | None, after: Environment | None, limits: Iterable[int | None]
) -> Counter[tuple[Places, Places]]:
    """Return the number of incidents by the environments that they are in before and after the change."""
    counts: Counter[tuple[Places, Places]] = Counter()
    limiting = set(limits)
    # Only an incident in an environment that is limited can be closed.
    placed_in = {each.pk: tuple(each.environments) for each in Membership.objects.all()}
    closable = {pk for pk, environments in placed_in.items() if limiting & set(environments)}
    stored = Incident.objects.filter(membership__in=closable, merged_into=None)
    totals = _by_membership(stored)
    has_same_query = before is not None and after is not None and before.query == after.query
    with time_limit.limited():
        found = totals if after is None or has_same_query else _by_membership(stored.filter(found_by(after.query)))
    environment = before or after
    key = environment.pk if environment else None
    for membership, total in totals.items():
        was_in = placed_in[membership]
        without = tuple(pk for pk in was_in if pk != key)
        if after is None:
            counts[was_in, without] += total
        elif has_same_query:
            counts[was_in, was_in] += total
        else:
            counts[was_in, (*without, key)] += found[membership]
            counts[was_in, without] += total - found[membership]
    return counts


def _by_membership(incidents: IncidentQuerySet) -> Counter[int]:
    rows = incidents.order_by().values_list("membership").annotate(Count("pk"))
    return Counter(dict(rows))
