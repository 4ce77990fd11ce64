"""A pattern as people enter it."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.http import QueryDict

from appkeys.models import AppKey
from incidents.patterns import changes
from incidents.patterns import sources as pattern_sources
from incidents.patterns.changes import Draft, PatternRejected

MINUTES = {"minutes": 1, "hours": 60}


class PatternForm(forms.Form):
    """Its fields are only read here; what they may be is for incidents.patterns.changes to say, whose answer stands at the fields."""

    window = forms.IntegerField(required=False)
    unit = forms.ChoiceField(choices=[(name, name) for name in MINUTES])
    sources = forms.MultipleChoiceField(required=False)
    filter = forms.CharField(required=False, strip=False)
    cross_source = forms.BooleanField(required=False)
    active = forms.BooleanField(required=False)
    note = forms.CharField(required=False, max_length=changes.NOTE_LENGTH)
    seen = forms.CharField(required=False, widget=forms.HiddenInput)  # as of when it is changed

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
        self.draft: Draft | None = None
        self.position: int | None = None  # where the filter broke, from 0

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
            self.draft = changes.read({"filter": pattern_sources.join(cleaned.get("sources", []), draft.filter)}, draft)
        except PatternRejected as rejection:
            self.position = rejection.position
            self.wrong_tags = rejection.errors.pop("tags", "")
            for name, rule in rejection.errors.items():
                self.add_error("window" if name == "time_window" else name, rule[:1].upper() + rule[1:])
            if self.wrong_tags:
                self.add_error(None, self.wrong_tags)
        return cleaned

    wrong_tags = ""

    @property
    def tag_fields(self) -> list[str]:
        """What stands in the five fields."""
        return (self.tags + [""] * changes.TAGS_LIMIT)[: changes.TAGS_LIMIT]

    @property
    def broken_filter(self) -> tuple[str, str, str] | None:
        """The filter before, at and after the place where it broke."""
        if self.position is None:
            return None
        text, at = self["filter"].value() or "", self.position
        return text[:at], text[at : at + 1] or " ", text[at + 1 :]
