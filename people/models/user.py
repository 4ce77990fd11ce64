"""Who may look and who may act."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower


class User(AbstractUser):
    """A person who signs in. A viewer looks, a responder also acts on incidents, an administrator also looks after keys and people."""

    class Role(models.TextChoices):
        ADMIN = "admin", "Administrator"
        RESPONDER = "responder", "Responder"
        VIEWER = "viewer", "Viewer"

    role = models.CharField(max_length=20, choices=Role, default=Role.VIEWER)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("username"),
                name="people_user_username_any_case",
                violation_error_message="This name is taken already (upper and lower case count as the same). Choose another one.",
            ),
        ]

    @property
    def is_administrator(self) -> bool:
        return self.role == self.Role.ADMIN

    @property
    def may_act(self) -> bool:
        """Whether this person may change incidents."""
        return self.role in (self.Role.ADMIN, self.Role.RESPONDER)

    @property
    def shown_name(self) -> str:
        return self.get_full_name() or self.username
