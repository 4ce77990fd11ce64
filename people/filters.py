"""Filter of the audit log, for its page, its exports and its API."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime

from people.models import AuditEntry
from people.models.audit_entry import AuditEntryQuerySet


class WhenField(forms.CharField):
    """A day or a moment in ISO 8601, in UTC if it names no zone. A day stands for its beginning, or for its end if the field says so."""

    def __init__(self, *, is_end: bool = False, **options: Any) -> None:
        super().__init__(max_length=40, **options)
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


class WhenFilter(django_filters.Filter):
    field_class = WhenField


class AuditFilter(django_filters.FilterSet):
    """Filter by `q`, `who`, `what`, `changeType`, `from` and `to`. A value that is not valid lets no entry through."""

    q = django_filters.CharFilter(method="mentioning", max_length=200)
    who = django_filters.CharFilter("actor_name", max_length=300)
    what = django_filters.CharFilter("entity_kind", max_length=60)
    changeType = django_filters.ChoiceFilter(  # noqa: N815 - its name on the wire, docs/wire-contract.md §7.5
        field_name="change",
        choices=AuditEntry.Change.choices,
        empty_label=None,
        error_messages={"invalid_choice": f"Choose one of: {', '.join(AuditEntry.Change.values)}."},
    )

    class Meta:
        model = AuditEntry
        fields: tuple[str, ...] = ()

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data, AuditEntry.objects.newest_first())

    @classmethod
    def get_filters(cls) -> dict[str, django_filters.Filter]:
        """Return the filters by their names in the query string, of which `from` cannot be the name of an attribute."""
        days = {"from": WhenFilter("at", "gte"), "to": WhenFilter("at", "lt", is_end=True)}
        declared: dict[str, django_filters.Filter] = super().get_filters()
        return declared | days

    def mentioning(self, entries: AuditEntryQuerySet, name: str, text: str) -> AuditEntryQuerySet:
        return entries.mentioning(text)

    @property
    def qs(self) -> QuerySet[AuditEntry]:
        entries: QuerySet[AuditEntry] = super().qs if self.is_valid() else self.queryset.none()
        return entries

    @property
    def is_narrowed(self) -> bool:
        return any(self.data.get(name) for name in self.filters)

    def query(self, **changes: str) -> str:
        """Return the filter as a query string with some values changed."""
        query = QueryDict(mutable=True)
        for name in [*self.filters, *changes]:
            if value := changes.get(name, self.data.get(name, "")):
                query[name] = value
        return f"?{query.urlencode()}" if query else ""

    @property
    def days(self) -> list[forms.BoundField]:
        return [self.form["from"], self.form["to"]]

    @property
    def this_query(self) -> str:
        return self.query()
