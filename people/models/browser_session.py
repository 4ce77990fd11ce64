"""Browsers in which people are signed in."""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone


class BrowserSessionQuerySet(models.QuerySet["BrowserSession"]):
    def live(self) -> Self:
        """Return the sessions that still sign somebody in, latest first."""
        running = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
        return self.filter(session_key__in=running).order_by("-last_seen_at", "-pk")

    def end(self) -> int:
        """End the sessions and return their number."""
        Session.objects.filter(session_key__in=list(self.values_list("session_key", flat=True))).delete()
        return self.delete()[0]


class BrowserSession(models.Model):
    """A browser in which a person is signed in."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="browser_sessions")
    session_key = models.CharField(max_length=40, unique=True)
    user_agent = models.CharField(max_length=300)
    address = models.CharField(max_length=45)
    began_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField()

    objects = BrowserSessionQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["user", "-last_seen_at"], name="people_sessions_of_user")]

    def __str__(self) -> str:
        return f"{self.user} at {self.address}"

    @property
    def device(self) -> str:
        """Return browser and system in common words, as in "Firefox on Linux"."""
        browser = next((name for mark, name in BROWSERS if mark in self.user_agent), "")
        system = next((name for mark, name in SYSTEMS if mark in self.user_agent), "")
        return f"{browser or 'A browser'} on {system}" if system else browser or self.user_agent[:40] or "Unknown"


# The first match counts, because most browsers also name their ancestors.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
