"""Roles: what people may see and change."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Lower


class Area(models.TextChoices):
    """A part of the console that a role opens (docs/wire-contract.md §7.4)."""

    INCIDENTS = "incidents", "Incidents"
    PATTERNS = "patterns", "Correlation patterns"
    ENVIRONMENTS = "environments", "Environments"
    MAINTENANCE = "maintenance", "Maintenance plans"
    INTEGRATIONS = "integrations", "Integrations and tokens"
    PEOPLE = "people", "People and roles"
    AUDIT = "audit", "Audit log"


class Level(models.TextChoices):
    """The level at which a role opens an area, in BigPanda's words on the wire."""

    NONE = "none", "No access"
    READ = "read", "See"
    FULL = "full_access", "See and change"

    @property
    def height(self) -> int:
        return list(Level).index(self)


class BuiltIn(models.TextChoices):
    """The roles that always exist and never change. Copies of them can be customised."""

    ADMIN = "admin", "Administrator"
    RESPONDER = "responder", "Responder"
    VIEWER = "viewer", "Viewer"


LOOK = dict.fromkeys((Area.INCIDENTS, Area.PATTERNS, Area.ENVIRONMENTS, Area.MAINTENANCE), Level.READ)
BUILT_IN_LEVELS = {
    BuiltIn.ADMIN: dict.fromkeys(Area, Level.FULL),
    BuiltIn.RESPONDER: LOOK | {Area.INCIDENTS: Level.FULL, Area.MAINTENANCE: Level.FULL},
    BuiltIn.VIEWER: LOOK,
}


class RoleQuerySet(models.QuerySet["Role"]):
    def built_in(self, which: str) -> Role:
        return self.get(built_in=which)

    def in_order(self) -> Self:
        """Order the built-in roles first, from the most to the least rights, then the others by name."""
        return self.order_by(models.F("built_in").asc(nulls_last=True), Lower("name"))


class Role(models.Model):
    """A named set of permissions that is given to people."""

    name = models.CharField(max_length=60)
    description = models.CharField(max_length=200, blank=True, default="")
    built_in = models.CharField(max_length=20, choices=BuiltIn, null=True, unique=True, editable=False)  # noqa: DJ001 - unique, so none is null
    # Area -> Level, for a custom role.
    permissions: models.JSONField[dict[str, str], dict[str, str]] = models.JSONField(default=dict)

    objects = RoleQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("name"),
                name="people_role_name_any_case",
                violation_error_message="This name is taken already (upper and lower case count as the same). Choose another one.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def level(self, area: Area) -> Level:
        if self.built_in:
            return BUILT_IN_LEVELS[BuiltIn(self.built_in)].get(area, Level.NONE)
        return Level(self.permissions.get(area, Level.NONE))

    @property
    def levels(self) -> dict[Area, Level]:
        return {area: self.level(area) for area in Area}

    def opens(self, area: Area, level: Level) -> bool:
        """Return whether the role opens the area at this level or above."""
        return self.level(area).height >= level.height

    @property
    def opens_everything(self) -> bool:
        return all(self.opens(area, Level.FULL) for area in Area)

    def exceeds(self, other: Role) -> bool:
        """Return whether the role opens something that the other role does not. Nobody may grant more than they have."""
        return not all(other.opens(area, level) for area, level in self.levels.items())
