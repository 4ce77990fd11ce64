"""The query string of an incident's alerts: which of them, and in which order."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import django_filters
from django.db import models
from django.db.models import QuerySet
from django.http import QueryDict

import bpql
from alerts.events import Status
from alerts.models import Alert
from incidents.feed.filters import TEXT_LIMIT
from incidents.models import Incident
from incidents.search import conditions

PREFIX = "alert"  # beside the feed's own words in one query string
STATUSES = {status.name.lower(): status for status in reversed(Status)}


class Order(models.TextChoices):
    """What the table can be sorted by; the word with a minus is the same the other way round."""

    STATUS = "status", "Status"
    NAME = "name", "Alert"
    STARTED = "started", "Started"
    CHANGED = "changed", "Changed"

    @property
    def fields(self) -> tuple[str, ...]:
        """The worst, the newest and the first of the alphabet come first."""
        return {
            Order.STATUS: ("-status", "-changed_at", "-pk"),
            Order.NAME: ("identifier", "pk"),
            Order.STARTED: ("-started_at", "-pk"),
            Order.CHANGED: ("-changed_at", "-pk"),
        }[self]


class AlertFilter(django_filters.FilterSet):
    """`alert-q` (BPQL), `alert-status` (any number of them) and `alert-sort`, as the feed's filter beside.

    What makes no sense is left out rather than answered with an error; a query that cannot be read finds nothing, and `error` says why.
    """

    q = django_filters.CharFilter(method="asked_for")
    status = django_filters.MultipleChoiceFilter(choices=[(name, name) for name in STATUSES], method="having_status")

    class Meta:
        model = Alert
        fields: tuple[str, ...] = ()

    def __init__(self, data: QueryDict, incident: Incident) -> None:
        self.sort = data.get(f"{PREFIX}-sort", "")
        try:
            self.order, self.is_reversed = Order(self.sort.removeprefix("-")), self.sort.startswith("-")
        except ValueError:
            self.sort, self.order, self.is_reversed = "", Order.STATUS, False
        fields = [_other_way(name) for name in self.order.fields] if self.is_reversed else self.order.fields
        super().__init__(data, incident.alerts.order_by(*fields), prefix=PREFIX)

    def asked_for(self, alerts: QuerySet[Alert], name: str, text: str) -> QuerySet[Alert]:
        return alerts.none() if self.error else alerts.filter(conditions.for_alerts(bpql.parse(self.text)))

    def having_status(self, alerts: QuerySet[Alert], name: str, names: list[str]) -> QuerySet[Alert]:
        return alerts.filter(status__in=[STATUSES[each] for each in names])

    @property
    def text(self) -> str:
        return str(self._cleaned().get("q") or "")[:TEXT_LIMIT]

    @cached_property
    def error(self) -> bpql.BpqlError | None:
        """Why the query cannot be read, or not asked of one alert, and where; None when it can."""
        try:
            bpql.parse(self.text).require_alerts()
        except bpql.BpqlError as error:
            return error
        return None

    @property
    def statuses(self) -> list[str]:
        return list(self._cleaned().get("status") or ())

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.statuses)

    def query(self, **changes: Any) -> str:
        """This view of the alerts beside the feed's own as a query string, with some of it changed."""
        query = QueryDict(mutable=True)
        for name, value in self.feed_parameters:
            query.appendlist(name, value)
        for name, value in ({"q": self.text, "status": self.statuses, "sort": self.sort} | changes).items():
            for each in value if isinstance(value, list) else [value]:
                if each:
                    query.appendlist(f"{PREFIX}-{name}", each)
        return f"?{query.urlencode()}"

    @property
    def feed_parameters(self) -> list[tuple[str, str]]:
        """What the query string says of the feed beside."""
        given: QueryDict = self.data
        names = [name for name in given if name != "pane_after" and not name.startswith(f"{PREFIX}-")]
        return [(name, value) for name in names for value in given.getlist(name)]

    @property
    def cleared(self) -> str:
        return self.query(q="", status=[])

    def toggled(self, status: str) -> str:
        """The query string with a status taken in or out."""
        rest = [each for each in self.statuses if each != status]
        return self.query(status=rest if status in self.statuses else [*rest, status])

    def sorted_by(self, order: Order) -> str:
        """The query string that sorts by a column; by the one it is sorted by already, the other way round."""
        return self.query(sort=f"-{order}" if order is self.order and not self.is_reversed else str(order))

    def direction(self, order: Order) -> str:
        """What a column's header says of the order, in the words of `aria-sort`; empty where it does not decide it."""
        if order is not self.order:
            return ""
        descends = order.fields[0].startswith("-") is not self.is_reversed
        return "descending" if descends else "ascending"

    def _cleaned(self) -> dict[str, Any]:
        self.form.is_valid()
        return dict(self.form.cleaned_data)


def _other_way(name: str) -> str:
    return name.removeprefix("-") if name.startswith("-") else f"-{name}"
