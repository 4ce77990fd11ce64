"""People who sign in."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.db.models.functions import Lower

from people.models.preferences import Preferences
from people.models.role import Area, Level, Role


class PeopleManager(UserManager["User"]):
    use_in_migrations = False

    def get_queryset(self) -> models.QuerySet[User]:
        """Return people with their role, which every page about a person needs."""
        return super().get_queryset().select_related("role")


class User(Preferences, AbstractUser):
    """A person who signs in. The role says what the person may see and change."""

    role = models.ForeignKey(Role, models.PROTECT, related_name="people")
    # Whether somebody else knows the password. Nothing works until the person has chosen another one.
    must_change_password = models.BooleanField(default=False, db_default=False, editable=False)

    speaks_by_api_key = False  # set where a personal API key authenticated this person, and not a browser

    objects: ClassVar[PeopleManager] = PeopleManager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("username"),
                name="people_user_username_any_case",
                violation_error_message="This name is taken already (upper and lower case count as the same). Choose another one.",
            ),
        ]

    def set_password(self, raw_password: str | None) -> None:
        """Set a password that the person must change first. `staffing.choose_password` sets one that the person chose."""
        super().set_password(raw_password)
        self.must_change_password = raw_password is not None

    def may_see(self, area: Area) -> bool:
        return self.role.opens(area, Level.READ)

    def may_change(self, area: Area) -> bool:
        return self.role.opens(area, Level.FULL)

    @property
    def is_administrator(self) -> bool:
        """Return whether all areas are open to this person."""
        return self.role.opens_everything

    @property
    def may_act(self) -> bool:
        """Return whether this person may change incidents."""
        return self.may_change(Area.INCIDENTS)

    @property
    def shown_name(self) -> str:
        return self.get_full_name() or self.username
