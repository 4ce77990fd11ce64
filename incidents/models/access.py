"""Who may see an incident, and who may act on it: the one rule that every page, stream, task and API asks.

Environments can be kept for some roles. An incident in such environments is closed to a reader unless one of them is
open to the reader. A reader is a person, an org token, or a wallboard, which sees what its maker sees.

- An incident that was merged away is in the environments of the incident that has its alerts
  (`incidents.environments.placement`). So the two are closed to the same readers.
- The incident of an alert decides who may see the alert. An alert without an incident is for readers to whom no
  environment is closed, because nobody knows yet which environments it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db.models import Exists, OuterRef, Q

from alerts.models import Alert
from appkeys.models import OrgToken
from incidents.models.environment import Environment, Membership
from incidents.models.wallboard import Wallboard
from people.models import Area, User

if TYPE_CHECKING:
    from incidents.models.incident import Incident

Reader = User | OrgToken | Wallboard
HIDDEN = "an incident that you may not see"
NOT_YOURS = "You may not act on it."


class To(StrEnum):
    """What a reader wants to do with an incident, by the name of the roles that an environment keeps it for."""

    SEE = "seen_by"
    ACT = "acted_by"


def is_open_to(environment: Environment, reader: Reader | None, to: To = To.SEE) -> bool:
    """Return whether an environment lets a reader see its incidents, or act on them."""
    roles: list[int] = getattr(environment, to)
    match reader:
        case _ if not roles:
            return True
        case User():
            return environment.admits(reader, roles)
        case OrgToken():
            return reader.sees_restricted
        case Wallboard(created_by=User(is_active=True) as maker):
            return is_open_to(environment, maker, to)
        case _:  # the maker of a wallboard is gone
            return False


def sees_everything(reader: Reader) -> bool:
    """Return whether no environment is closed to a reader. Only such a reader sees requests of senders as a whole."""
    return all(is_open_to(each, reader) for each in Environment.objects.kept())


def closed_to(reader: Reader, to: To = To.SEE) -> list[int]:
    """Return the primary keys of the memberships that are closed to a reader.

    A membership is closed if some of its environments are kept for roles, and none of those is open to the reader.
    """
    limited = {each.pk: is_open_to(each, reader, to) for each in Environment.objects.kept() if getattr(each, to)}
    if all(limited.values()):
        return []
    answers = {each.pk: [limited[pk] for pk in each.environments if pk in limited] for each in Membership.objects.all()}
    return [pk for pk, answer in answers.items() if answer and not any(answer)]


def closed_to_acting(actor: User | OrgToken) -> frozenset[int]:
    """Return the memberships of the incidents that somebody may not act on, because they may not see or change them."""
    return frozenset((*closed_to(actor), *closed_to(actor, To.ACT)))


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


def may_see(reader: Reader, incident: Incident) -> bool:
    """Return whether a reader may see an incident, for one that was merged away the incident that has its alerts."""
    last = incident
    while last.merged_into is not None:
        last = last.merged_into
    return type(incident).objects.visible_to(reader).filter(pk=last.pk).exists()


def seen_among(pks: Iterable[int], reader: Reader) -> frozenset[int]:
    """Return those of some incidents that a reader may see."""
    wanted, incidents = set(pks), apps.get_model("incidents", "Incident")._default_manager
    if not wanted:
        return frozenset()
    found: Any = incidents.visible_to(reader).filter(pk__in=wanted)  # type: ignore[attr-defined]
    return frozenset(found.values_list("pk", flat=True))
