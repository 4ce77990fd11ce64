"""One-time links with which people set their own password."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from people import secrets
from people.models.user import User

VALID_FOR = timedelta(days=7)


class Invitation(models.Model):
    """A link with which a person sets a first password or replaces a forgotten one. It works once, and only its digest is stored."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="invitation")
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Link for {self.user}"

    @classmethod
    def issue(cls, user: User) -> str:
        """Return the secret of a new link for this person. An earlier link stops working."""
        secret = secrets.draw()
        fresh = {"digest": secrets.digest(secret), "expires_at": timezone.now() + VALID_FOR}
        cls.objects.update_or_create(user=user, defaults=fresh)
        return secret

    @classmethod
    def find(cls, secret: str) -> Self | None:
        """Return the invitation of the link, or None if the link does not work."""
        valid = cls.objects.filter(digest=secrets.digest(secret), expires_at__gt=timezone.now(), user__is_active=True)
        return valid.select_related("user__role").first()
