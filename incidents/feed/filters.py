"""Filters of the feed and of the alerts of an incident: which rows a list shows and in which order.

A plain list of one model has a FilterSet of django-filter, as the audit log in `people.filters`. The parameters of
these lists are a query language, folders and environments, each filter also writes query strings, and a live view
reads its query string at each refresh. A FilterSet takes 1.6 ms to read a query string, a class of this module 0.01
ms, and a whole refresh 9 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import ClassVar

from django.db.models import Exists, OuterRef, Q
from django.http import Http404, QueryDict
from django.urls import reverse

import bpql
from alerts.events import Status
from alerts.models import Alert
from incidents.feed.folders import Folder
from incidents.models import Environment, Incident
from incidents.models.incident import IncidentQuerySet, shared_with
from incidents.search import conditions
from people.models import User

STATUSES = {status.name.lower(): status for status in reversed(Status) if status is not Status.OK}
TEXT_LIMIT = 2000  # characters, as in the API (docs/wire-contract.md §5.4)
ME, NOBODY = "me", "nobody"


class ListFilter:
    """A list as its query string asks for it.

    A value that the list does not offer is ignored. A query (BPQL) that cannot be read finds nothing, and `error`
    says why.
    """

    prefix: ClassVar[str] = ""  # of each parameter, so that two lists can share a query string
    plain: ClassVar[Mapping[str, str]] = {}  # values of the plain list, which a query string leaves out
    offered_statuses: ClassVar[Mapping[str, Status]]

    def __init__(self, data: QueryDict) -> None:
        self.data = data
        self.text = self.value("q").strip()[:TEXT_LIMIT]
        self.statuses = [name for name in self.values("status") if name in self.offered_statuses]

    def value(self, name: str) -> str:
        """Return the value of a parameter, or empty text."""
        return self.data.get(f"{self.prefix}{name}", "")

    def values(self, name: str) -> list[str]:
        """Return the different values of a parameter that may occur several times."""
        return list(dict.fromkeys(filter(None, self.data.getlist(f"{self.prefix}{name}"))))

    def parameters(self) -> dict[str, str | list[str]]:
        """Return the values of the list, by the name of the parameter."""
        raise NotImplementedError

    @property
    def other_parameters(self) -> Iterable[tuple[str, str]]:
        """Names and values in the query string that are not of this list."""
        return ()

    @cached_property
    def found(self) -> Q:
        """The condition of the query. Raise BpqlError."""
        raise NotImplementedError

    @property
    def is_narrowed(self) -> bool:
        """True while the list shows less than the plain list."""
        raise NotImplementedError

    def stop(self, error: bpql.SearchStopped) -> None:
        """Find nothing any more, because the search took too long."""
        self.__dict__["error"] = error

    @property
    def is_stopped(self) -> bool:
        return isinstance(self.error, bpql.SearchStopped)

    @cached_property
    def error(self) -> bpql.BpqlError | None:
        """The reason why the query cannot be read, with the position, or None."""
        try:
            _ = self.found
        except bpql.BpqlError as error:
            return error
        return None

    def query(self, **changes: str | list[str]) -> str:
        """Return the query string of this list with changed parameters. Return empty text for the plain list."""
        query = QueryDict(mutable=True)
        for name, text in self.other_parameters:
            query.appendlist(name, text)
        for name, value in (self.parameters() | changes).items():
            for each in value if isinstance(value, list) else [value]:
                if each and each != self.plain.get(name):
                    query.appendlist(f"{self.prefix}{name}", each)
        return f"?{query.urlencode()}" if query else ""

    def toggled(self, status: str) -> str:
        """Return the query string with a status added, or removed if present."""
        rest = [each for each in self.statuses if each != status]
        return self.query(status=rest if status in self.statuses else [*rest, status])


class Sort(StrEnum):
    """An order that a person can choose (docs/wire-contract.md §5.1)."""

    URGENCY = "urgency"
    CHANGE = "last_change"
    STATUS = "status"
    START = "start"
    ALERTS = "alerts"

    @property
    def fields(self) -> tuple[str, ...]:
        return {
            Sort.URGENCY: ("-is_nobodys", "-status", "-changed_at", "-pk"),
            Sort.CHANGE: ("-changed_at", "-pk"),
            Sort.STATUS: ("-status", "-changed_at", "-pk"),
            Sort.START: ("-started_at", "-pk"),
            Sort.ALERTS: ("-alerts_count", "-changed_at", "-pk"),
        }[self]

    @property
    def words(self) -> str:
        return {
            Sort.URGENCY: "unhandled first, then the worst, then the newest change",
            Sort.CHANGE: "the newest change first",
            Sort.STATUS: "the worst first, then the newest change",
            Sort.START: "the latest started first",
            Sort.ALERTS: "the most alerts first",
        }[self]


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on, with the query string of the list without the filter."""

    name: str  # of the parameter
    label: str
    without: str


class IncidentFilter(ListFilter):
    """The feed as one person asks for it.

    The parameters are `env`, `folder`, `q` (BPQL), `status`, `source`, `owner`, `shared`, `flapping` and `sort`;
    `status` and `source` may occur several times. Raise Http404 for an environment that does not exist or is closed
    to the role of the person.
    """

    plain: ClassVar = {"folder": Folder.ACTIVE, "sort": Sort.URGENCY}
    offered_statuses = STATUSES

    def __init__(self, data: QueryDict, user: User) -> None:
        super().__init__(data)
        self.user = user
        self.folder = Folder(folder) if (folder := self.value("folder")) in Folder.values else Folder.ACTIVE
        self.sort = Sort(sort) if (sort := self.value("sort")) in set(Sort) else Sort.URGENCY
        self.sources = self.values("source")
        self.owner = self.value("owner")
        self.shared = ME if self.value("shared") == ME else ""
        self.flapping = "1" if self.value("flapping") == "1" else ""
        self.environment = _environment(self.value("env"), user)

    def parameters(self) -> dict[str, str | list[str]]:
        return {
            "env": str(self.environment.pk) if self.environment else "",
            "folder": self.folder,
            "q": self.text,
            "status": self.statuses,
            "source": self.sources,
            "owner": self.owner,
            "shared": self.shared,
            "flapping": self.flapping,
            "sort": self.sort,
        }

    @cached_property
    def visible(self) -> IncidentQuerySet:
        """All incidents that the person may see."""
        return Incident.objects.visible_to(self.user)

    @property
    def qs(self) -> IncidentQuerySet:
        """The incidents of the list, in order."""
        found = self.folder.of(self.visible)
        if self.environment:
            found = found.in_environment(self.environment)
        found = found.filter(self._condition())
        if self.folder is Folder.RESOLVED:
            return found.latest_resolved_first()
        return found.order_by(*self.sort.fields)

    @cached_property
    def found(self) -> Q:
        query = bpql.parse(self.text)
        is_open = self.folder is not Folder.RESOLVED
        return conditions.for_open_incidents(query) if is_open else conditions.for_incidents(query)

    def _condition(self) -> Q:
        condition = Q()
        if self.text:
            condition &= Q(pk__in=[]) if self.error else self.found
        if self.statuses:
            # Every resolved incident has the status ok. The filter is about the worst status that it ever had.
            column = "severity" if self.folder is Folder.RESOLVED else "status"
            condition &= Q(**{f"{column}__in": [STATUSES[name] for name in self.statuses]})
        if self.sources:
            condition &= Q(Exists(Alert.objects.filter(incident=OuterRef("pk"), app_key__name__in=self.sources)))
        if self.owner:
            owners = {ME: Q(assignee=self.user), NOBODY: Q(assignee=None)}
            condition &= owners.get(self.owner, Q(assignee__username=self.owner))
        if self.shared:
            condition &= shared_with(self.user)
        if self.flapping:
            condition &= Q(flapping=True)
        return condition

    @property
    def is_narrowed(self) -> bool:
        return bool(self.statuses) or self.is_searched

    @property
    def is_searched(self) -> bool:
        """True while a filter other than the status is on."""
        return bool(self.text or self.sources or self.owner or self.shared or self.flapping)

    @property
    def chips(self) -> list[Chip]:
        """The filters that are on, without the statuses, which have buttons of their own."""
        owner = {ME: "Mine", NOBODY: "Nobody's"}.get(self.owner, f"Owner: {self.owner}")
        chips = [Chip("q", f"Search: {self.text}", self.query(q=""))] if self.text else []
        chips += [
            Chip("source", f"Source: {name}", self.query(source=[each for each in self.sources if each != name]))
            for name in self.sources
        ]
        if self.owner:
            chips.append(Chip("owner", owner, self.query(owner="")))
        if self.shared:
            chips.append(Chip("shared", "Shared with me", self.query(shared="")))
        if self.flapping:
            chips.append(Chip("flapping", "Flapping", self.query(flapping="")))
        return chips

    @property
    def elsewhere(self) -> list[tuple[str, str]]:
        """The other folders, with the address of the same search in each of them."""
        others = [folder for folder in (Folder.ACTIVE, Folder.SNOOZED, Folder.RESOLVED) if folder is not self.folder]
        return [(folder.label, reverse("incidents:feed") + self.query(folder=folder)) for folder in others]

    @property
    def active(self) -> str:
        """The address of the same list in the folder Active."""
        return reverse("incidents:feed") + self.query(folder=Folder.ACTIVE)

    @property
    def cleared(self) -> str:
        return self.query(q="", status=[], source=[], owner="", shared="", flapping="")


def _environment(key: str, user: User) -> Environment | None:
    if not key:
        return None
    found = Environment.objects.kept().filter(pk=key).first() if key.isdecimal() and len(key) < 19 else None
    if found is None or not found.may_be_seen_by(user):
        raise Http404("There is no such environment, or it is not for your role.")
    return found
