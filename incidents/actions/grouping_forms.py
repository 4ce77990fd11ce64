"""Forms of the groupings: which incidents to merge, and which alerts to take out."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from incidents.actions.forms import comment_field
from incidents.models import Incident

INCIDENTS_LIMIT = 100


class IncidentNumbers(forms.CharField):
    """Field for numbers of incidents, as "12, #15", among those that the person may act on."""

    among: QuerySet[Incident] = Incident.objects.none()

    def clean(self, value: Any) -> list[Incident]:
        text = super().clean(value)
        numbers = [int(number) for number in re.findall(r"\d{1,18}", text)]
        if re.sub(r"[\d\s,;#]", "", text) or len(numbers) > INCIDENTS_LIMIT:
            raise ValidationError(f"Write up to {INCIDENTS_LIMIT} numbers of incidents, as: 12, 15.")
        found = self.among.in_bulk(numbers)
        if unknown := [number for number in numbers if number not in found]:
            raise ValidationError(f"There is no incident #{unknown[0]} that you may act on.")
        return [found[number] for number in dict.fromkeys(numbers)]


class AlertKeys(forms.TypedMultipleChoiceField):
    """Field for any number of keys of alerts. The grouping checks that the alerts are in the incident."""

    def __init__(self) -> None:
        super().__init__(coerce=int, required=False)

    def valid_value(self, value: Any) -> bool:
        return re.fullmatch(r"[0-9]{1,18}", str(value)) is not None


class MergeForm(forms.Form):
    """Choice of the incidents to merge into this one."""

    chosen = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    numbers = IncidentNumbers(
        label="Other incidents, by number",
        required=False,
        max_length=2000,
        widget=forms.TextInput({"placeholder": "12, 15", "inputmode": "numeric", "autocomplete": "off"}),
    )
    comment = comment_field()

    def __init__(self, data: Any = None, *, candidates: list[Incident], among: QuerySet[Incident]) -> None:
        super().__init__(data)
        numbers: Any = self.fields["numbers"]
        numbers.among = among
        self.candidates = {str(each.pk): each for each in candidates}
        chosen: Any = self.fields["chosen"]
        chosen.choices = [(pk, each.title) for pk, each in self.candidates.items()]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "numbers" in cleaned and "chosen" in cleaned:
            cleaned["sources"] = [*cleaned["numbers"], *(self.candidates[pk] for pk in cleaned["chosen"])]
            if not cleaned["sources"]:
                self.add_error("numbers", "Choose at least one other incident, or write its number.")
        return cleaned


class MergeChosenForm(forms.Form):
    """Choice of the selected incident that stays."""

    into = forms.ModelChoiceField(
        Incident.objects.none(),
        widget=forms.RadioSelect,
        empty_label=None,
        error_messages={"required": "Choose the one that stays.", "invalid_choice": "Choose one of these."},
    )
    comment = comment_field()

    def __init__(self, data: Any = None, *, chosen: list[Incident]) -> None:
        super().__init__(data)
        self.chosen = chosen
        into: Any = self.fields["into"]
        into.queryset = Incident.objects.filter(pk__in=[each.pk for each in chosen]).order_by("pk")
        into.initial = min(each.pk for each in chosen)


class SplitForm(forms.Form):
    """Choice of the alerts to take out, and of where they go."""

    INTO: ClassVar = [
        ("new", "The chosen alerts into an incident of their own"),
        ("other", "The chosen alerts into another incident"),
        ("tag", "One incident per value of a tag"),
    ]

    how = forms.ChoiceField(label="What to take out", choices=INTO, widget=forms.RadioSelect, initial="new")
    to = IncidentNumbers(
        label="Number of the other incident",
        required=False,
        max_length=30,
        widget=forms.TextInput({"placeholder": "12", "inputmode": "numeric", "autocomplete": "off"}),
    )
    tag = forms.ChoiceField(label="Tag", required=False, error_messages={"invalid_choice": "Choose one of these tags."})
    alerts = AlertKeys()
    all = forms.BooleanField(required=False)  # all alerts that the search finds
    comment = comment_field()

    def __init__(self, data: Any = None, *, tags: list[tuple[str, str]], among: QuerySet[Incident]) -> None:
        super().__init__(data)
        fields: dict[str, Any] = self.fields
        fields["to"].among = among
        fields["tag"].choices = tags

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        how = cleaned.get("how")
        if how in ("new", "other") and not (cleaned.get("alerts") or cleaned["all"]) and "alerts" not in self.errors:
            self.add_error("alerts", "Choose at least one alert.")
        if how == "other" and "to" in cleaned and len(cleaned["to"]) != 1:
            self.add_error("to", "Write the number of one incident.")
        if how == "tag" and not cleaned.get("tag") and "tag" not in self.errors:
            self.add_error("tag", "No tag makes few enough incidents of these alerts. Choose alerts instead.")
        return cleaned
