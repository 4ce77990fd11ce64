"""Wallboards: links that show an environment on a large screen without a sign-in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from incidents.models.environment import Environment
from people import secrets
from people.models import Area, User

ENDS_SOON = timedelta(days=7)  # from then on the screen says when its link ends


def next_expiry() -> datetime:
    """Return when a link that is made or renewed now expires."""
    return timezone.now() + timedelta(days=settings.WALLBOARD_DAYS)


class WallboardQuerySet(models.QuerySet["Wallboard"]):
    def opened_by(self, secret: str) -> Wallboard | None:
        """Return the wallboard with this secret in its link, or None if the link has ended."""
        found = self.with_maker().filter(digest=secrets.digest(secret)).first()
        return found if found and found.state is WallboardState.ACTIVE else None

    def with_maker(self) -> Self:
        return self.select_related("environment", "created_by__role")

    def visible_to(self, user: User) -> list[Wallboard]:
        """Return the wallboards that a user may know of: not those of environments that are closed to the user."""
        return [each for each in self.with_maker() if each.environment is None or each.environment.may_be_seen_by(user)]


class WallboardState(models.TextChoices):
    """State of a link. Only an active link opens its wallboard."""

    ACTIVE = "active", "Active"
    REVOKED = "revoked", "Revoked"
    EXPIRED = "expired", "Expired"
    # The person who made the link has left, or may no longer make such links.
    ORPHANED = "orphaned", "Ended"


class Wallboard(models.Model):
    """A link that lets a screen read one environment, until the link expires or is revoked.

    The screen sees what the person who made the link may see now. Only a digest of the link's secret is stored. The
    link itself is shown once.
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
    # Null where older code made the link during an upgrade. Such a link counts as expired, and can be renewed.
    expires_at = models.DateTimeField(null=True)

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
        wallboard.expires_at = next_expiry()
        wallboard.digest, wallboard.suffix = secrets.digest(secret), secrets.suffix(secret)
        wallboard.save()
        return wallboard, secret

    @property
    def state(self) -> WallboardState:
        if self.revoked_at:
            return WallboardState.REVOKED
        if not self._maker_may_show_it():
            return WallboardState.ORPHANED
        is_valid = self.expires_at is not None and self.expires_at > timezone.now()
        return WallboardState.ACTIVE if is_valid else WallboardState.EXPIRED

    def _maker_may_show_it(self) -> bool:
        maker, environment = self.created_by, self.environment
        if maker is None or not maker.is_active or not maker.may_change(Area.ENVIRONMENTS):
            return False
        return environment is None or (environment.deleted_at is None and environment.may_be_seen_by(maker))

    @property
    def ends_soon(self) -> bool:
        return self.expires_at is not None and self.expires_at - timezone.now() < ENDS_SOON

    def may_be_opened_by(self, user: User) -> bool:
        """Return whether a user may renew or restore the link: only where the user sees what the link shows."""
        maker = self.created_by
        return user.is_administrator or (maker is not None and maker.role_id == user.role_id)

    def mark_seen(self) -> None:
        """Write that a screen shows the wallboard, once a minute at most."""
        now = timezone.now()
        if self.last_seen_at is None or (now - self.last_seen_at).total_seconds() > 60:
            type(self).objects.filter(pk=self.pk).update(last_seen_at=now)
