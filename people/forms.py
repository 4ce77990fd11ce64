"""What people ask of their own page."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from people.models import ApiKey, User

LIFETIMES = {"6": "6 months", "12": "12 months", "24": "24 months", "": "Never"}  # bigpanda.md §6


class ApiKeyForm(forms.Form):
    name = forms.CharField(max_length=100, error_messages={"required": "Give the key a name."})
    months = forms.ChoiceField(choices=list(LIFETIMES.items()), required=False, label="Expires after")

    def issue(self, user: User) -> tuple[ApiKey, str] | None:
        """The key and its secret; None, with an error at the field, where the name cannot be had."""
        months = self.cleaned_data["months"]
        expires_at = months_after(timezone.now(), int(months)) if months else None
        try:
            return ApiKey.issue(user, name=self.cleaned_data["name"], expires_at=expires_at)
        except ValidationError as error:
            self.add_error("name", error.messages)
            return None


def months_after(start: datetime, months: int) -> datetime:
    """The same day that many months later, or the last one of a month that is too short for it."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1, day=min(start.day, monthrange(year, month + 1)[1]))
