"""Personal API keys for a person's scripts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from db import outage
from people import secrets
from people.models.user import User

PREFIX = "BPU"  # as BigPanda's, docs/wire-contract.md §2.2
NOTED_EVERY = timedelta(minutes=1)


class Scope(models.TextChoices):
    """A permission of a personal API key, as far as the role of its person allows it."""

    READ = "read", "Read"
    ACT = "act", "Act on incidents and maintenance plans"
    ADMINISTER = "administer", "Change patterns, tag definitions and all other configuration"


EVERY_SCOPE = " ".join(Scope.values)


class ApiKey(models.Model):
    """A personal API key. Under /resources it may do, within its scopes, what its person may do.

    Its digest is stored; the key itself is shown once.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys", editable=False)
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    suffix = models.CharField(max_length=4, editable=False)
    # As in OAuth (RFC 6749 §3.3), separated by spaces. A key from before there were scopes has all of them.
    scopes = models.CharField(max_length=100, default=EVERY_SCOPE, db_default=EVERY_SCOPE, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)  # null: never
    last_used_at = models.DateTimeField(null=True, editable=False)
    last_used_address = models.CharField(max_length=45, default="", db_default="", editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    # Why the key has ended for good. Empty: its person revoked it, and can restore it.
    revoked_because = models.CharField(max_length=200, default="", db_default="", editable=False)

    class Meta:
        verbose_name = "personal API key"
        ordering: ClassVar = ["-created_at", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                "user",
                Lower("name"),
                name="people_api_key_name_any_case",
                violation_error_message="You have a key of this name already. Choose another one.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(
        cls, user: User, *, name: str, expires_at: datetime | None, scopes: Collection[str] = tuple(Scope)
    ) -> tuple[Self, str]:
        """Create a key and return it with its secret. Raise ValidationError if the name is empty, too long or taken."""
        secret = secrets.draw(PREFIX)
        key = cls(
            user=user,
            name=name.strip(),
            scopes=" ".join(each.value for each in Scope if each in scopes),
            expires_at=expires_at,
            digest=secrets.digest(secret),
            suffix=secrets.suffix(secret),
        )
        key.full_clean(exclude=["user"])
        key.validate_constraints()
        key.save()
        return key, secret

    @property
    def scope_names(self) -> list[str]:
        return self.scopes.split()

    def may(self, scope: Scope) -> bool:
        return scope in self.scope_names

    @property
    def may_be_restored(self) -> bool:
        return self.revoked_at is not None and not self.revoked_because

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_active(self) -> bool:
        return self.revoked_at is None and not self.is_expired

    def note_use(self, address: str) -> None:
        """Record the time of use, to the minute, and the address that the key was used from."""
        now = timezone.now()
        seen = Q(last_used_at__gt=now - NOTED_EVERY)
        mine = ApiKey.objects.filter(~seen | Q(last_used_at=None), pk=self.pk)
        change = partial(mine.update, last_used_at=now, last_used_address=address)
        outage.try_to_note("the last use of an API key", change)
