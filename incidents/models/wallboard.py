"""Wallboards: links that show an environment on a large screen without a sign-in."""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from incidents.models.environment import Environment
from people import secrets
from people.models import User


class WallboardQuerySet(models.QuerySet["Wallboard"]):
    def opened_by(self, secret: str) -> Wallboard | None:
        """Return the wallboard with this secret in its link, or None if the link or its environment is gone."""
        return (
            self.filter(digest=secrets.digest(secret), revoked_at=None, environment__deleted_at=None)
            .select_related("environment")
            .first()
        )


class Wallboard(models.Model):
    """A revocable link that lets a screen read one environment.

    Only a digest of the link's secret is stored. The link itself is shown once.
    """

    name = models.CharField(max_length=80)
    # Null shows every incident.
    environment = models.ForeignKey(Environment, models.CASCADE, null=True, related_name="wallboards")
    sound = models.BooleanField(default=False)
    flash = models.BooleanField(default=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    suffix = models.CharField(max_length=4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    last_seen_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = WallboardQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(
        cls, *, name: str, environment: Environment | None, sound: bool, flash: bool, by: User
    ) -> tuple[Self, str]:
        """Create a wallboard, and return it with the secret of its link."""
        secret = secrets.draw()
        wallboard = cls(name=name, environment=environment, sound=sound, flash=flash, created_by=by)
        wallboard.digest, wallboard.suffix = secrets.digest(secret), secrets.suffix(secret)
        wallboard.save()
        return wallboard, secret

    def mark_seen(self) -> None:
        """Write that a screen shows the wallboard, once a minute at most."""
        now = timezone.now()
        if self.last_seen_at is None or (now - self.last_seen_at).total_seconds() > 60:
            type(self).objects.filter(pk=self.pk).update(last_seen_at=now)
