"""Forms of preferences, personal API keys, people and roles."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils import timezone

from people import keys, staffing
from people.lifetimes import A_YEAR, LIFETIMES, NEVER, months_after
from people.models import ApiKey, Area, Level, Role, Scope, User
from people.models.preferences import time_zones


class ApiKeyForm(forms.Form):
    name = forms.CharField(max_length=100, error_messages={"required": "Give the key a name."})
    scopes = forms.MultipleChoiceField(choices=Scope.choices, required=False, initial=[Scope.READ])
    months = forms.ChoiceField(
        choices=[*LIFETIMES.items(), (NEVER, "Never")], required=False, label="Expires after", initial=A_YEAR
    )

    def issue(self, user: User) -> tuple[ApiKey, str] | None:
        """Return the key and its secret. Return None, with an error at the field, if the name is not allowed."""
        name, scopes, months = (self.cleaned_data[field] for field in ("name", "scopes", "months"))
        expires_at = None if months == NEVER else months_after(timezone.now(), int(months or A_YEAR))
        try:
            return keys.create(user, name=name, scopes=scopes or [Scope.READ], expires_at=expires_at, by=user)
        except ValidationError as error:
            self.add_error("name", error.messages)
            return None


class PasswordForm(PasswordChangeForm):
    """Form of a person's own new password. A person who knew the old one may also have made API keys, so the keys end by default."""

    end_keys = forms.BooleanField(required=False, initial=True)

    def clean_new_password1(self) -> str:
        password: str = self.cleaned_data["new_password1"]
        if self.user.check_password(password):
            raise ValidationError("Choose another password than the old one.")
        return password

    @property
    def passwords(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name != "end_keys"]

    def end_chosen_keys(self) -> int:
        """End the API keys unless the person keeps them. Return the number of keys that worked until now."""
        if not self.cleaned_data["end_keys"]:
            return 0
        return keys.end_all(self.user, by=self.user, because="The password was changed.")


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
