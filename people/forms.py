"""Forms of preferences, personal API keys, people and roles."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils import timezone

from people import staffing
from people.lifetimes import LIFETIMES, months_after
from people.models import ApiKey, Area, Level, Role, User
from people.models.preferences import time_zones


class ApiKeyForm(forms.Form):
    name = forms.CharField(max_length=100, error_messages={"required": "Give the key a name."})
    months = forms.ChoiceField(choices=list(LIFETIMES.items()), required=False, label="Expires after")

    def issue(self, user: User) -> tuple[ApiKey, str] | None:
        """Return the key and its secret. Return None, with an error at the field, if the name is not allowed."""
        months = self.cleaned_data["months"]
        expires_at = months_after(timezone.now(), int(months)) if months else None
        try:
            return ApiKey.issue(user, name=self.cleaned_data["name"], expires_at=expires_at)
        except ValidationError as error:
            self.add_error("name", error.messages)
            return None


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg] # Django's own takes none
    """Form of a person's preferences."""

    time_zone = forms.ChoiceField(
        required=False,
        choices=lambda: [("", "As this browser"), *((name, name.replace("_", " ")) for name in sorted(time_zones()))],
        error_messages={"invalid_choice": "%(value)s is not a time zone. Choose one of the list."},
    )

    class Meta:
        model = User
        fields = ("time_zone", "theme", "density", "shortcuts")


class PersonForm(forms.ModelForm):  # type: ignore[type-arg] # Django's own takes none
    """Form of a person's name, address and role."""

    role = forms.ModelChoiceField(Role.objects.in_order(), empty_label=None)

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "role")

    def __init__(self, *args: Any, by: User, **options: Any) -> None:
        super().__init__(*args, **options)
        self.by = by

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc] # Django's hook for what a model finds wrong
        _tell_at(self, "username")

    def invite(self) -> str | None:
        """Return the secret of the new person's link. Return None, with the reason in the form, if the invitation is not allowed."""
        try:
            return staffing.invite(self.instance, by=self.by)
        except staffing.NotAllowed as refusal:
            self.add_error("role", str(refusal))
            return None

    def change(self) -> bool:
        try:
            staffing.change(self.instance, by=self.by)
        except staffing.NotAllowed as refusal:
            self.add_error("role", str(refusal))
            return False
        return True


class RoleForm(forms.ModelForm):  # type: ignore[type-arg] # Django's own takes none
    """Form of a custom role: one level for each area."""

    class Meta:
        model = Role
        fields = ("name", "description")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for area in Area:
            self.fields[area] = forms.ChoiceField(
                choices=choices(area), initial=self.instance.level(area), label=area.label
            )

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc] # Django's hook for what a model finds wrong
        _tell_at(self, "name")

    @property
    def areas(self) -> list[forms.BoundField]:
        return [self[area] for area in Area]

    def keep(self, *, by: User) -> bool:
        """Store the role. Return False, with the reason in the form, if the change is not allowed."""
        self.instance.permissions = {str(area): self.cleaned_data[area] for area in Area}
        try:
            staffing.save_role(self.instance, by=by)
        except staffing.NotAllowed as refusal:
            self.add_error(None, str(refusal))
            return False
        return True


def _tell_at(form: forms.ModelForm, name: str) -> None:  # type: ignore[type-arg]
    """Move the error about a taken name to the field of the name. Django reports it for the form as a whole."""
    for message in form.errors.pop(NON_FIELD_ERRORS, []):
        form.add_error(name, message)


def choices(area: Area) -> list[tuple[str, str]]:
    """Return the levels at which a role can open the area, in words."""
    match area:
        case Area.INCIDENTS:  # everybody looks at incidents, so far as their environments go
            return [(Level.READ, "See"), (Level.FULL, "See and act")]
        case Area.AUDIT:  # nobody changes what was done
            return [(Level.NONE, "No access"), (Level.FULL, "See")]
        case _:
            return [(str(level), str(level.label)) for level in Level]
