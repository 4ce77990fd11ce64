"""The feed's query string."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import QueryDict

from alerts.events import Status
from incidents.feed import Folder
from incidents.models import Incident

STATUSES = {status.name.lower(): status for status in reversed(Status) if status is not Status.OK}


class IncidentFilter(django_filters.FilterSet):
    """`folder`, `q` and `status` (any number of them). What makes no sense is left out rather than answered with an error."""

    q = django_filters.CharFilter(method="having_text", max_length=200)
    status = django_filters.MultipleChoiceFilter(choices=[(name, name) for name in STATUSES], method="having_status")

    class Meta:
        model = Incident
        fields: tuple[str, ...] = ()

    def __init__(self, data: QueryDict) -> None:
        try:
            self.folder = Folder(data.get("folder", Folder.ACTIVE))
        except ValueError:
            self.folder = Folder.ACTIVE
        super().__init__(data, self.folder.incidents())

    def having_text(self, incidents: QuerySet[Incident], name: str, text: str) -> QuerySet[Incident]:
        """Title, subtitle, a name in it or a source contains the text, in any case."""
        return incidents.filter(search_text__contains=text.casefold())

    def having_status(self, incidents: QuerySet[Incident], name: str, names: list[str]) -> QuerySet[Incident]:
        """Of a resolved incident the worst status it ever had, since all of them are ok now."""
        column = "severity" if self.folder is Folder.RESOLVED else "status"
        return incidents.filter(**{f"{column}__in": [STATUSES[each] for each in names]})

    @property
    def text(self) -> str:
        return str(self._cleaned().get("q") or "")

    @property
    def statuses(self) -> list[str]:
        return list(self._cleaned().get("status") or ())

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.statuses)

    def query(self, **changes: Any) -> str:
        """This view of the feed as a query string, with some of it changed; empty for the plain feed."""
        parts = {"folder": self.folder.value, "q": self.text, "status": self.statuses} | changes
        if parts["folder"] == Folder.ACTIVE:
            parts["folder"] = ""
        query = QueryDict(mutable=True)
        for name, value in parts.items():
            for each in value if isinstance(value, list) else [value]:
                if each:
                    query.appendlist(name, each)
        return f"?{query.urlencode()}" if query else ""

    def toggled(self, status: str) -> str:
        """The query string with a status taken in or out."""
        rest = [each for each in self.statuses if each != status]
        return self.query(status=rest if status in self.statuses else [*rest, status])

    @property
    def without_text(self) -> str:
        return self.query(q="")

    @property
    def cleared(self) -> str:
        return self.query(q="", status=[])

    def _cleaned(self) -> dict[str, Any]:
        self.form.is_valid()
        return dict(self.form.cleaned_data)
