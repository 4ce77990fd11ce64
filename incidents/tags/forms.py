"""Form of an incident tag, for its page and the API."""

from __future__ import annotations

from typing import Any

from django import forms

from incidents.models import IncidentTag
from incidents.models.tag import VALUE_LIMIT, VALUES_LIMIT
from incidents.tags.changes import Draft

RESERVED = "priority"  # a field of every incident (docs/wire-contract.md §6.3)


class TagDefinitionForm(forms.ModelForm):  # type: ignore[type-arg] # Django's own takes none
    """The definition of an incident tag. The values of a closed list are entered one on a line."""

    choices = forms.CharField(
        label="Values to choose from, one on a line",
        required=False,
        widget=forms.Textarea({"rows": 4}),
        help_text="For a list alone.",
    )

    class Meta:
        model = IncidentTag
        fields = ("name", "description", "kind", "choices", "active")
        labels = {"kind": "Takes", "active": "Offered on incidents"}  # noqa: RUF012
        error_messages = {  # noqa: RUF012
            "name": {"required": "Give the tag a name.", "max_length": "A name can have 20 characters."},
            "description": {"max_length": "A description can have 200 characters."},
        }

    def __init__(self, data: Any = None, *, instance: IncidentTag | None = None) -> None:
        super().__init__(data, instance=instance)
        if instance:
            self.initial["choices"] = "\n".join(instance.choices)
        self.fields["description"].widget = forms.TextInput()

    @property
    def draft(self) -> Draft:
        """The properties, once the form is valid."""
        return Draft(**self.cleaned_data)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if name.casefold() == RESERVED:
            raise forms.ValidationError("The priority is there already, with P1 to P5. Choose another name.")
        return name

    def clean_choices(self) -> list[str]:
        values = list(dict.fromkeys(line.strip() for line in self.cleaned_data["choices"].splitlines() if line.strip()))
        if len(values) > VALUES_LIMIT or any(len(value) > VALUE_LIMIT for value in values):
            raise forms.ValidationError(f"A list can have {VALUES_LIMIT} values of {VALUE_LIMIT} characters.")
        return values

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        is_list = cleaned.get("kind") in (IncidentTag.Kind.CLOSED_SINGLE, IncidentTag.Kind.CLOSED_MULTI)
        if is_list and "choices" in cleaned and not cleaned["choices"]:
            self.add_error("choices", "A list needs values to choose from.")
        return cleaned
