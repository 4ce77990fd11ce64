"""Preferences of a person. They are stored with the person, so they apply in every browser."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import models


@cache
def time_zones() -> frozenset[str]:
    """Return the names of the time zone database, as in `Europe/Berlin`."""
    return frozenset(available_timezones())


def validate_time_zone(name: str) -> None:
    if name not in time_zones():
        raise ValidationError(f"{name!r} is not a time zone. Choose one of the list, as Europe/Berlin.")


class Preferences(models.Model):
    """The columns of a person that hold preferences."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "As the system"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    class Density(models.TextChoices):
        COMFORTABLE = "comfortable", "Comfortable: two lines a row"
        COMPACT = "compact", "Compact: one line a row"

    # Empty: the zone of the browser.
    time_zone = models.CharField(max_length=64, blank=True, default="", validators=[validate_time_zone])
    theme = models.CharField(max_length=12, choices=Theme, default=Theme.SYSTEM)
    density = models.CharField(max_length=12, choices=Density, default=Density.COMFORTABLE)
    shortcuts = models.BooleanField("Keyboard shortcuts", default=True)
    # Pixels by pane.
    pane_widths: models.JSONField[dict[str, int], dict[str, int]] = models.JSONField(default=dict, blank=True)

    class Meta:
        abstract = True
