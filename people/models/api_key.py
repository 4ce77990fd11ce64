"""Personal API keys for a person's scripts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from people import secrets
from people.models.user import User

PREFIX = "BPU"  # as BigPanda's, docs/wire-contract.md §2.2
NOTED_EVERY = timedelta(minutes=1)


class ApiKey(models.Model):
    """A personal API key. It may do under /resources what its person may do. Its digest is stored; the key itself is shown once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys", editable=False)
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    suffix = models.CharField(max_length=4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)  # null: never
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

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
    def issue(cls, user: User, *, name: str, expires_at: datetime | None) -> tuple[Self, str]:
        """Create a key and return it with its secret. Raise ValidationError if the name is empty, too long or taken."""
        secret = secrets.draw(PREFIX)
        key = cls(
            user=user,
            name=name.strip(),
            expires_at=expires_at,
            digest=secrets.digest(secret),
            suffix=secrets.suffix(secret),
        )
        key.full_clean(exclude=["user"])
        key.validate_constraints()
        key.save()
        return key, secret

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_active(self) -> bool:
        return self.revoked_at is None and not self.is_expired

    def note_use(self) -> None:
        """Record the time of use, to the minute."""
        now = timezone.now()
        seen = Q(last_used_at__gt=now - NOTED_EVERY)
        ApiKey.objects.filter(~seen | Q(last_used_at=None), pk=self.pk).update(last_used_at=now)
