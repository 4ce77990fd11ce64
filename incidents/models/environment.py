"""Environments: saved queries over incidents, and their placement (docs/how-it-works.md §5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar, NamedTuple, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.urls import reverse

from people.models import Area, User


class EnvironmentQuerySet(models.QuerySet["Environment"]):
    def kept(self) -> Self:
        """Return the environments that were not deleted."""
        return self.filter(deleted_at=None)

    def visible_to(self, user: User) -> list[Environment]:
        """Return the environments that a user sees: none without the area Environments, else those open to the role."""
        kept = self.kept() if user.may_see(Area.ENVIRONMENTS) else ()
        return [each for each in kept if each.may_be_seen_by(user)]


class Environment(models.Model):
    """A part of the estate that a team looks at: a named BPQL query over incidents (docs/wire-contract.md §6.1).

    The incidents in an environment are stored with the incidents, as `Membership`.
    """

    name = models.CharField(max_length=80)
    description = models.TextField(blank=True, default="", max_length=500)
    query = models.TextField(blank=True, default="", max_length=2000)  # BPQL; empty to find every incident
    group = models.CharField(max_length=80, blank=True, default="")
    # The primary keys of the roles that may see the incidents, and of those that may act on them. Empty lists allow
    # every role. The lists are no foreign keys, because a deleted role must not open the environment to everybody.
    seen_by: models.JSONField[list[int], list[int]] = models.JSONField(default=list, blank=True)
    acted_by: models.JSONField[list[int], list[int]] = models.JSONField(default=list, blank=True)
    starred_by = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="starred_environments")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True)
    # Whether an administrator chose the query and the roles. Only then do its roles see incidents that are also in an
    # environment that is closed to them. An environment of anybody else only restricts, so that nobody can open
    # incidents to themselves.
    set_by_administrator = models.BooleanField(default=False, db_default=False)
    # Incidents with this primary key or a greater one are placed by the present query. Null if all are.
    unplaced_below = models.BigIntegerField(null=True)

    objects = EnvironmentQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = [Lower("name")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("name"),
                condition=Q(deleted_at=None),
                name="incidents_environment_name_any_case",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"{reverse('incidents:feed')}?env={self.pk}"

    @property
    def holds_everything(self) -> bool:
        return not self.query.strip()

    def may_be_seen_by(self, user: User) -> bool:
        return user.is_administrator or not self.seen_by or user.role_id in self.seen_by

    def may_be_changed_by(self, user: User) -> bool:
        """Return whether a user may change the environment.

        A user who acts on incidents, but not on those of this environment, could otherwise take that right.
        """
        if not self.may_be_seen_by(user):
            return False
        return user.is_administrator or not user.may_act or not self.acted_by or user.role_id in self.acted_by


class Membership(models.Model):
    """A combination of environments, shared by all incidents in these environments.

    There are few combinations, and the feed counts incidents by combination.
    """

    # The primary keys of the environments in ascending order, each between commas: ",3,17,".
    key = models.TextField(unique=True)

    def __str__(self) -> str:
        return self.key

    @classmethod
    def key_of(cls, environments: list[int]) -> str:
        return f",{','.join(map(str, sorted(environments)))}," if environments else ""

    @property
    def environments(self) -> list[int]:
        return [int(pk) for pk in self.key.split(",") if pk]

    @classmethod
    def of(cls, environment: Environment) -> list[int]:
        """Return the primary keys of the combinations with an environment.

        The keys are read and not joined, because the database then knows how few incidents they select.
        """
        return list(cls.objects.filter(key__contains=f",{environment.pk},").values_list("pk", flat=True))


class Limit(NamedTuple):
    """The roles for which an environment keeps its incidents."""

    roles: Collection[int]
    opens: bool  # see Environment.set_by_administrator


def limits_of(environments: Iterable[Environment], *, keeping: str) -> dict[int | None, Limit]:
    """Return the limits by the primary key of the environment. Environments that allow every role have none."""
    kept_for = ((each, getattr(each, keeping)) for each in environments)
    return {each.pk: Limit(roles, each.set_by_administrator) for each, roles in kept_for if roles}


def is_closed(environments: Iterable[int | None], role: int | None, limits: Mapping[int | None, Limit]) -> bool:
    """Return whether incidents in all of these environments are closed to a role, or to readers without one.

    They are closed if some environment is limited to other roles, unless an administrator opened one of the
    environments to the role.
    """
    found = [limits[pk] for pk in environments if pk in limits]
    if any(limit.opens and role in limit.roles for limit in found):
        return False
    return any(role not in limit.roles for limit in found)
