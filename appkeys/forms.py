"""Forms that name an integration or a token."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
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
    """Form that makes an App Key, and an org token with it if one is asked for or no other one would let it in."""

    with_token = forms.BooleanField(required=False, initial=True, label="Make an org token that sends for it alone")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.has_token = OrgToken.objects.sending_for_all().exists()

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
    """Form of a new org token. It sends for the chosen integrations unless the person chooses more."""

    CHOSEN, ALL = "chosen", "all"

    name = forms.CharField(max_length=NAME_LIMIT, error_messages={"required": "Give the token a name."})
    scopes = forms.MultipleChoiceField(
        choices=OrgToken.Scope.choices, required=False, initial=[each.value for each in OrgToken.SENDING]
    )
    sees_restricted = forms.BooleanField(required=False)
    reach = forms.ChoiceField(
        choices=[(CHOSEN, "Only those chosen here"), (ALL, "All of them, also those to come")],
        required=False,
        initial=CHOSEN,
    )
    app_keys = forms.ModelMultipleChoiceField(AppKey.objects.present(), required=False)
    months = forms.ChoiceField(choices=[("", "Never"), *LIFETIMES.items()], required=False)

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not by.is_administrator:  # who may not see every incident makes no token that may
            del self.fields["sees_restricted"]

    def clean(self) -> dict[str, Any]:
        asked: dict[str, Any] = super().clean() or self.cleaned_data
        if "app_keys" in asked and asked.get("reach") != self.ALL and not asked["app_keys"]:
            self.add_error("app_keys", "Choose the integrations that it speaks for, or all of them.")
        return asked

    def issue(self, *, by: User) -> tuple[OrgToken, str] | None:
        """Return the token and its secret. Return None, with an error at the field, if the name is not allowed."""
        asked = self.cleaned_data
        try:
            return OrgToken.issue(
                name=asked["name"],
                by=by,
                scopes=asked["scopes"] or OrgToken.SENDING,
                app_keys=None if asked["reach"] == self.ALL else list(asked["app_keys"]),
                expires_at=months_after(timezone.now(), int(asked["months"])) if asked["months"] else None,
                sees_restricted=asked.get("sees_restricted", False),
            )
        except ValidationError as error:
            self.add_error("name", error.messages)
            return None


def _token_for(app_key: AppKey, *, by: User) -> str:
    """Make a token that sends for the integration, under its name or under the next free name."""
    name, number = app_key.name, 1
    while OrgToken.objects.filter(name__iexact=name).exists():
        number += 1
        name = f"{app_key.name[: NAME_LIMIT - 6]} {number}"
    return OrgToken.issue(name=name, by=by, app_keys=[app_key])[1]
