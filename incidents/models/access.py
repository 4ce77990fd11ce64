"""Rule about who may see an incident, and who may act on it: the one rule that every page, stream, task and API asks.

Environments can be kept for some roles, and `is_closed` says which combinations of environments are closed to a role. A
reader is a person, an org token, a wallboard, which sees what its maker sees, or nobody (None).

- An incident that was merged away is in the environments of the incident that has its alerts
  (`incidents.environments.placement`). So the two are closed to the same readers.
- The incident of an alert decides who may see the alert. An alert without an incident is for readers to whom no
  environment is closed, because nobody knows yet which environments it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from django.db.models import Exists, OuterRef, Q

from alerts.models import Alert
from appkeys.models import OrgToken
from incidents.models.environment import Environment, Limit, Membership, is_closed, limits_of
from incidents.models.wallboard import Wallboard
from people.models import Area, User

Reader = User | OrgToken | Wallboard | None
HIDDEN = "an incident that you may not see"
NOT_SEEN = "You may not see these."
NOT_YOURS = "You may not act on it."
NOT_ALL_YOURS = "It involves an incident that you may not act on. Ask somebody who may act on all of them."


class To(StrEnum):
    """Purpose of a reader who asks for an incident, by the name of the roles that an environment keeps it for."""

    SEE = "seen_by"
    ACT = "acted_by"


def may_see_all(reader: Reader) -> bool:
    """Return whether no environment keeps anything from a reader, whatever people change: administrators, and some org tokens."""
    match reader:
        case User():
            return reader.is_administrator
        case OrgToken():
            return reader.sees_restricted
        case Wallboard(created_by=User(is_active=True) as maker):
            return may_see_all(maker)
        case _:
            return False


def role_of(reader: Reader) -> int | None:
    """Return the role that environments are kept for or not. An org token has none, and a wallboard that of its maker."""
    match reader:
        case User():
            return reader.role_id
        case Wallboard(created_by=User(is_active=True) as maker):
            return maker.role_id
        case _:  # also where the maker of a wallboard is gone
            return None


def sees_everything(reader: Reader) -> bool:
    """Return whether no environment is closed to a reader. Only such a reader sees requests of senders as a whole."""
    return not _limits(reader, To.SEE)


def closed_to(reader: Reader, to: To = To.SEE) -> list[int] | None:
    """Return the primary keys of the memberships whose incidents a reader may not see, or may not act on.

    Return None where no environment is closed to the reader.
    """
    limits = _limits(reader, to)
    if not limits:
        return None
    role = role_of(reader)
    return [each.pk for each in Membership.objects.all() if is_closed(each.environments, role, limits)]


def _limits(reader: Reader, to: To) -> Mapping[int | None, Limit]:
    """Return the limits of environments, or none where they keep nothing from the reader."""
    if may_see_all(reader):
        return {}
    limits, role = limits_of(Environment.objects.kept(), keeping=to), role_of(reader)
    return {} if all(role in limit.roles for limit in limits.values()) else limits


def closed_to_acting(actor: User | OrgToken) -> frozenset[int]:
    """Return the memberships of the incidents that somebody may not act on, because they may not see or change them."""
    return frozenset((*(closed_to(actor) or ()), *(closed_to(actor, To.ACT) or ())))


def may_use_incidents(reader: Reader) -> bool:
    """Return whether a reader has to do with incidents at all, before environments decide about each of them."""
    match reader:
        case User():
            return reader.may_see(Area.INCIDENTS)
        case OrgToken():
            return reader.may_use_resources
        case _:
            return True


def of_other_senders(token: OrgToken) -> Q:
    """Return the condition that an incident has alerts of integrations that a limited org token does not speak for."""
    others = Alert.objects.exclude(app_key__in=token.app_keys.values("pk"))
    return Q(Exists(others.filter(incident=OuterRef("pk")))) | Q(merged_into__isnull=False)
