"""Forms of environments and wallboards."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms

from bpql import BpqlError
from incidents.environments.changes import Draft
from incidents.environments.placement import found_by
from incidents.models import Environment
from people.models import Role, User


class EnvironmentForm(forms.ModelForm):  # type: ignore[type-arg]
    """The properties of an environment, with the roles that may see its incidents and act on them."""

    seen_by = forms.TypedMultipleChoiceField(coerce=int, required=False, empty_value=[])
    acted_by = forms.TypedMultipleChoiceField(coerce=int, required=False, empty_value=[])

    class Meta:
        model = Environment
        fields = ("name", "description", "query", "group", "seen_by", "acted_by")
        error_messages: ClassVar = {
            "name": {
                "required": "Give the environment a name.",
                "max_length": "A name can have 80 characters; this one has %(show_value)d.",
            },
            "query": {"max_length": "A query can have 2,000 characters; this one has %(show_value)d."},
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roles = list(Role.objects.in_order())
        for name in ("seen_by", "acted_by"):
            self.fields[name].choices = [(str(role.pk), role.name) for role in roles]  # type: ignore[attr-defined]

    @property
    def draft(self) -> Draft:
        """The properties, once the form is valid."""
        return Draft(**self.cleaned_data)

    @property
    def chosen(self) -> dict[str, set[str]]:
        """The roles that are ticked, by field: as sent, or as stored."""
        return {name: {str(pk) for pk in self[name].value() or ()} for name in ("seen_by", "acted_by")}

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if Environment.objects.kept().filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(
                "An environment has this name already (upper and lower case count as the same). Choose another one."
            )
        return name

    def clean_query(self) -> str:
        query = str(self.cleaned_data["query"]).strip()
        try:
            found_by(query)
        except BpqlError as error:
            raise forms.ValidationError(str(error)) from None
        return query


class WallboardForm(forms.Form):
    """The properties of a wallboard: what the screen shows, and how the screen draws attention."""

    name = forms.CharField(
        max_length=80,
        error_messages={
            "required": "Give the wallboard a name.",
            "max_length": "A name can have 80 characters; this one has %(show_value)d.",
        },
    )
    environment = forms.ModelChoiceField(Environment.objects.none(), required=False, empty_label="Everything")
    sound = forms.BooleanField(required=False)
    flash = forms.BooleanField(required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        seen = [each.pk for each in Environment.objects.kept() if each.may_be_seen_by(user)]
        self.fields["environment"].queryset = Environment.objects.filter(pk__in=seen)  # type: ignore[attr-defined]
