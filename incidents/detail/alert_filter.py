"""The filter of an incident's alerts: which alerts the table shows and in which order."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from django.db import models
from django.db.models import Q, QuerySet
from django.http import QueryDict

import bpql
from alerts.events import Status
from alerts.models import Alert
from incidents.feed.filters import ListFilter
from incidents.models import Incident
from incidents.search import conditions

STATUSES = {status.name.lower(): status for status in reversed(Status)}


class Order(models.TextChoices):
    """A column that the table can be sorted by. With a minus in front, the order is reversed."""

    STATUS = "status", "Status"
    NAME = "name", "Alert"
    STARTED = "started", "Started"
    CHANGED = "changed", "Changed"

    @property
    def fields(self) -> tuple[str, ...]:
        """The order without a minus: the worst, the newest or the first of the alphabet on top."""
        return {
            Order.STATUS: ("-status", "-changed_at", "-pk"),
            Order.NAME: ("identifier", "pk"),
            Order.STARTED: ("-started_at", "-pk"),
            Order.CHANGED: ("-changed_at", "-pk"),
        }[self]


class AlertFilter(ListFilter):
    """The alerts of an incident as one person asks for them, beside the feed in the same query string.

    The parameters are `alert-q` (BPQL), `alert-status`, which may occur several times, and `alert-sort`.
    """

    prefix = "alert-"
    offered_statuses = STATUSES

    def __init__(self, data: QueryDict, incident: Incident) -> None:
        super().__init__(data)
        self.incident = incident
        self.sort = self.value("sort")
        try:
            self.order, self.is_reversed = Order(self.sort.removeprefix("-")), self.sort.startswith("-")
        except ValueError:
            self.sort, self.order, self.is_reversed = "", Order.STATUS, False

    def parameters(self) -> dict[str, str | list[str]]:
        return {"q": self.text, "status": self.statuses, "sort": self.sort}

    @property
    def other_parameters(self) -> Iterable[tuple[str, str]]:
        """Names and values in the query string that are about the feed."""
        names = [name for name in self.data if name != "pane_after" and not name.startswith(self.prefix)]
        return [(name, value) for name in names for value in self.data.getlist(name)]

    @property
    def qs(self) -> QuerySet[Alert]:
        """The alerts of the table, in order."""
        fields = [_reversed(name) for name in self.order.fields] if self.is_reversed else self.order.fields
        alerts = self.incident.alerts.order_by(*fields)
        if self.text:
            alerts = alerts.none() if self.error else alerts.filter(self.found)
        if self.statuses:
            alerts = alerts.filter(status__in=[STATUSES[name] for name in self.statuses])
        return alerts

    @cached_property
    def found(self) -> Q:
        return conditions.for_alerts(bpql.parse(self.text))

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.statuses)

    def query(self, **changes: str | list[str]) -> str:
        # An empty href would keep the query string that the page has.
        return super().query(**changes) or "?"

    @property
    def cleared(self) -> str:
        return self.query(q="", status=[])

    def sorted_by(self, order: Order) -> str:
        """Return the query string that sorts by a column. A second sort by the column reverses the order."""
        return self.query(sort=f"-{order}" if order is self.order and not self.is_reversed else str(order))

    def direction(self, order: Order) -> str:
        """Return the value of `aria-sort` for the header of a column, or empty text for another column."""
        if order is not self.order:
            return ""
        descends = order.fields[0].startswith("-") is not self.is_reversed
        return "descending" if descends else "ascending"


def _reversed(name: str) -> str:
    return name.removeprefix("-") if name.startswith("-") else f"-{name}"
