"""Environments: saved queries over incidents, and their placement (docs/how-it-works.md §5)."""

from __future__ import annotations

from typing import ClassVar, Self

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

    @classmethod
    def closed_to(cls, user: User, *, keeping: str) -> list[int]:
        """Return the primary keys of the combinations that are closed to a user.

        `keeping` is `seen_by` or `acted_by`. A combination is closed if some of its environments are limited to roles,
        and none of these to the user's role.
        """
        if user.is_administrator:
            return []
        kept_for = {each.pk: getattr(each, keeping) for each in Environment.objects.kept()}
        is_open = {pk: user.role_id in roles for pk, roles in kept_for.items() if roles}
        if all(is_open.values()):
            return []
        answers = {each.pk: [is_open[pk] for pk in each.environments if pk in is_open] for each in cls.objects.all()}
        return [pk for pk, answer in answers.items() if answer and not any(answer)]
