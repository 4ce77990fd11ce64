"""Naming an integration, and a token."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from appkeys.models import AppKey, OrgToken
from people.models import User

NAME_LIMIT = 100


class AppKeyForm(forms.Form):
    """Makes the App Key, and an org token with it where one is wanted or none exists."""

    name = forms.CharField(max_length=NAME_LIMIT, error_messages={"required": "Give the integration a name."})
    with_token = forms.BooleanField(required=False, label="Make a new org token for it")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.has_token = OrgToken.objects.filter(deactivated_at=None).exists()

    def issue(self, *, by: User) -> tuple[AppKey, str, str] | None:
        """The key, its secret, and the token's secret, empty where none was made. None, with an error at the field, where the name cannot be had."""
        try:
            app_key, secret = AppKey.issue(name=self.cleaned_data["name"], by=by)
        except ValidationError as error:
            self.add_error("name", error.messages)
            return None
        if self.has_token and not self.cleaned_data["with_token"]:
            return app_key, secret, ""
        return app_key, secret, _token_for(app_key, by=by)


class OrgTokenForm(forms.Form):
    name = forms.CharField(max_length=NAME_LIMIT, error_messages={"required": "Give the token a name."})

    def issue(self, *, by: User) -> tuple[OrgToken, str] | None:
        try:
            return OrgToken.issue(name=self.cleaned_data["name"], by=by)
        except ValidationError as error:
            self.add_error("name", error.messages)
            return None


def _token_for(app_key: AppKey, *, by: User) -> str:
    """A token under the integration's name, or under the next free one beside it."""
    name, number = app_key.name, 1
    while OrgToken.objects.filter(name__iexact=name).exists():
        number += 1
        name = f"{app_key.name[: NAME_LIMIT - 6]} {number}"
    return OrgToken.issue(name=name, by=by)[1]
