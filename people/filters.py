"""Filter of the audit log, for its page, its exports and its API."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime

from people.models import AuditEntry


class WhenField(forms.CharField):
    """A day or a moment in ISO 8601, in UTC if it names no zone. A day stands for its beginning, or for its end if the field says so."""

    def __init__(self, *, is_end: bool = False, **options: Any) -> None:
        super().__init__(required=False, max_length=40, **options)
        self.is_end = is_end

    def clean(self, value: Any) -> datetime | None:
        text = super().clean(value)
        try:
            if day := parse_date(text):
                return datetime.combine(day, time.min, UTC) + timedelta(days=1 if self.is_end else 0)
            moment = parse_datetime(text)
        except (ValueError, OverflowError):
            moment = None
        if text and moment is None:
            raise forms.ValidationError("This is no date. Write it as 2026-11-24, or with a time as 2026-11-24T14:30Z.")
        return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None


class AuditFilter(forms.Form):
    """Filter by `q`, `who`, `what`, `changeType`, `from` and `to`."""

    q = forms.CharField(required=False, max_length=200)
    who = forms.CharField(required=False, max_length=300)
    what = forms.CharField(required=False, max_length=60)
    changeType = forms.ChoiceField(  # noqa: N815 - its name on the wire, docs/wire-contract.md §7.5
        required=False,
        choices=AuditEntry.Change.choices,
        error_messages={"invalid_choice": f"Choose one of: {', '.join(AuditEntry.Change.values)}."},
    )

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self.fields["from"] = WhenField()
        self.fields["to"] = WhenField(is_end=True)

    @property
    def qs(self) -> QuerySet[AuditEntry]:
        """The entries that match, newest first, or no entry if a value of the filter is invalid."""
        if not self.is_valid():
            return AuditEntry.objects.none()
        asked = self.cleaned_data
        named = {
            "actor_name": asked["who"],
            "entity_kind": asked["what"],
            "change": asked["changeType"],
            "at__gte": asked["from"],
            "at__lt": asked["to"],
        }
        wanted = {name: value for name, value in named.items() if value}
        return AuditEntry.objects.mentioning(asked["q"]).filter(**wanted).newest_first()

    @property
    def is_narrowed(self) -> bool:
        return any(self.data.get(name) for name in self.fields)

    def query(self, **changes: str) -> str:
        """Return the filter as a query string with some values changed."""
        query = QueryDict(mutable=True)
        for name in [*self.fields, *changes]:
            if value := changes.get(name, self.data.get(name, "")):
                query[name] = value
        return f"?{query.urlencode()}" if query else ""

    @property
    def days(self) -> list[forms.BoundField]:
        return [self["from"], self["to"]]

    @property
    def this_query(self) -> str:
        return self.query()
