"""Forms that name an integration or a token."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from appkeys.models import AppKey, OrgToken
from people.lifetimes import LIFETIMES, months_after
from people.models import User

NAME_LIMIT = 100
OVERLAPS = {"7": "7 days", "1": "1 day", "30": "30 days", "0": "not at all"}


class NameForm(forms.Form):
    name = forms.CharField(max_length=NAME_LIMIT, error_messages={"required": "Give the integration a name."})

    def rename(self, app_key: AppKey, *, by: User) -> bool:
        """Rename the App Key. Return False, with an error at the field, if the name is not allowed."""
        try:
            app_key.rename(self.cleaned_data["name"], by=by)
        except ValidationError as error:
            self.add_error("name", error.messages)
            return False
        return True


class AppKeyForm(NameForm):
    """Form that makes an App Key, and an org token with it if one is asked for or none exists."""

    with_token = forms.BooleanField(required=False, label="Make a new org token for it")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.has_token = OrgToken.objects.filter(deactivated_at=None).exists()

    def issue(self, tool: str, *, by: User) -> tuple[AppKey, str, str] | None:
        """Return the key, its secret, and the token's secret, which is empty if no token was made.

        Return None, with an error at the field, if the name is not allowed.
        """
        try:
            app_key, secret = AppKey.issue(name=self.cleaned_data["name"], by=by, tool=tool)
        except ValidationError as error:
            self.add_error("name", error.messages)
            return None
        if self.has_token and not self.cleaned_data["with_token"]:
            return app_key, secret, ""
        return app_key, secret, _token_for(app_key, by=by)


class RotateForm(forms.Form):
    """Form that draws a new secret. It says how long the old secret works beside the new one."""

    days = forms.ChoiceField(choices=list(OVERLAPS.items()))

    @property
    def overlap(self) -> timedelta:
        return timedelta(days=int(self.cleaned_data["days"]))


class OrgTokenForm(forms.Form):
    name = forms.CharField(max_length=NAME_LIMIT, error_messages={"required": "Give the token a name."})
    scope = forms.ChoiceField(choices=OrgToken.Scope.choices, required=False)
    app_keys = forms.ModelMultipleChoiceField(AppKey.objects.present(), required=False)
    months = forms.ChoiceField(choices=[("", "Never"), *LIFETIMES.items()], required=False)

    def issue(self, *, by: User) -> tuple[OrgToken, str] | None:
        """Return the token and its secret. Return None, with an error at the field, if the name is not allowed."""
        asked = self.cleaned_data
        expires_at = months_after(timezone.now(), int(asked["months"])) if asked["months"] else None
        try:
            with transaction.atomic():
                token, secret = OrgToken.issue(
                    name=asked["name"], by=by, scope=asked["scope"] or OrgToken.Scope.EVERYTHING, expires_at=expires_at
                )
                if app_keys := list(asked["app_keys"]):
                    token.limit_to(app_keys, by=by)
        except ValidationError as error:
            self.add_error("name", error.messages)
            return None
        return token, secret


def _token_for(app_key: AppKey, *, by: User) -> str:
    """Make a token under the name of the integration, or under the next free name."""
    name, number = app_key.name, 1
    while OrgToken.objects.filter(name__iexact=name).exists():
        number += 1
        name = f"{app_key.name[: NAME_LIMIT - 6]} {number}"
    return OrgToken.issue(name=name, by=by)[1]
