"""Forms of patterns and of trials."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.http import QueryDict
from django.utils import timezone

from appkeys.models import AppKey
from incidents.patterns import changes, trials
from incidents.patterns import sources as pattern_sources
from incidents.patterns.changes import Draft, PatternRejected

MINUTES = {"minutes": 1, "hours": 60}


class PatternForm(forms.Form):
    """The properties of a pattern, as people enter them.

    The fields accept any text. `incidents.patterns.changes.read` checks the values, and the form shows the errors at
    the fields.
    """

    window = forms.IntegerField(required=False)
    unit = forms.ChoiceField(choices=[(name, name) for name in MINUTES])
    sources = forms.MultipleChoiceField(required=False)
    filter = forms.CharField(required=False, strip=False)
    cross_source = forms.BooleanField(required=False)
    active = forms.BooleanField(required=False)
    note = forms.CharField(required=False, max_length=changes.NOTE_LENGTH)
    seen = forms.CharField(required=False, widget=forms.HiddenInput)  # `as_of` of the pattern that the person changes

    EMPTY: ClassVar = {"unit": "minutes", "window": 60, "cross_source": True, "active": True}

    def __init__(self, data: QueryDict | None = None, *, draft: Draft | None = None, seen: str = "") -> None:
        initial: dict[str, Any] = dict(self.EMPTY)
        self.tags: list[str] = []
        if draft:
            sources, rest = pattern_sources.split(draft.filter)
            hours, minutes = divmod(draft.time_window, 60)
            initial = {
                "window": draft.time_window if minutes else hours,
                "unit": "minutes" if minutes else "hours",
                "sources": sources,
                "filter": rest,
                "cross_source": draft.cross_source,
                "active": draft.active,
                "note": draft.note,
                "seen": seen,
            }
            self.tags = list(draft.tags)
        if data is not None:
            self.tags = [name.strip() for name in data.getlist("tag")]
        super().__init__(data, initial=initial)
        known = list(AppKey.objects.values_list("source_system", "name"))
        missing = [(each, each) for each in initial.get("sources", ()) if each not in dict(known)]
        self.source_choices: list[tuple[str, str]] = [*known, *missing]
        self.fields["sources"] = forms.MultipleChoiceField(required=False, choices=self.source_choices)
        self.wrong_tags = ""  # the error of the tags, which are no field of the form
        self.position: int | None = None  # of the error in the filter, from 0

    @property
    def draft(self) -> Draft:
        """The properties, once the form is valid."""
        draft: Draft = self.cleaned_data["draft"]
        return draft

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        window, unit = cleaned.get("window"), cleaned.get("unit", "minutes")
        data = {
            "tags": [name for name in self.tags if name],
            "time_window": None if window is None else window * MINUTES[unit],
            "filter": cleaned.get("filter", ""),
            "cross_source": cleaned.get("cross_source", False),
            "active": cleaned.get("active", False),
            "note": cleaned.get("note", ""),
        }
        try:
            draft = changes.read(data)
            whole_filter = pattern_sources.join(cleaned.get("sources", []), draft.filter)
            cleaned["draft"] = changes.read({"filter": whole_filter}, draft)
        except PatternRejected as rejection:
            self.position = rejection.position
            self.wrong_tags = rejection.errors.pop("tags", "")
            for name, rule in rejection.errors.items():
                self.add_error("window" if name == "time_window" else name, rule[:1].upper() + rule[1:])
            if self.wrong_tags:
                self.add_error(None, self.wrong_tags)
        return cleaned

    @property
    def tag_fields(self) -> list[str]:
        """The values of the fields for tags."""
        return (self.tags + [""] * changes.TAGS_LIMIT)[: changes.TAGS_LIMIT]

    @property
    def broken_filter(self) -> tuple[str, str, str] | None:
        """The filter before, at and after the character of the error."""
        if self.position is None:
            return None
        text, at = self["filter"].value() or "", self.position
        return text[:at], text[at : at + 1] or " ", text[at + 1 :]


class RangeForm(forms.Form):
    """The range of a trial: a number of last days, or from one day to another."""

    days = forms.TypedChoiceField(
        choices=[("", "other days"), *((days, f"last {days} day{'s' if days > 1 else ''}") for days in trials.RANGES)],
        coerce=int,
        empty_value=None,
        required=False,
    )
    since = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors and not cleaned.get("days"):
            since, until = cleaned.get("since"), cleaned.get("until")
            if not since or not until:
                raise forms.ValidationError("Choose the last days, or the first and the last day.")
            if since > until:
                raise forms.ValidationError("The first day comes after the last.")
            if until - since > trials.LONGEST:
                raise forms.ValidationError(f"At most {trials.LONGEST.days} days can be tried at once.")
        return cleaned

    @property
    def range(self) -> tuple[datetime, datetime]:
        """The beginning and the end of the range, once the form is valid."""
        now = timezone.now()
        if days := self.cleaned_data["days"]:
            return now - timedelta(days=days), now
        zone = timezone.get_current_timezone()
        since, until = self.cleaned_data["since"], self.cleaned_data["until"]
        begin = datetime(since.year, since.month, since.day, tzinfo=zone)
        end = datetime(until.year, until.month, until.day, tzinfo=zone) + timedelta(days=1)
        return begin, min(end, now)
