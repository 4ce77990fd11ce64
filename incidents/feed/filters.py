"""The feed's query string: which environment, folder and incidents it shows, and in what order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.http import Http404, QueryDict
from django.urls import reverse

import bpql
from alerts.events import Status
from alerts.models import Alert
from incidents.feed.folders import Folder
from incidents.models import Environment, Incident
from incidents.models.incident import IncidentQuerySet
from incidents.search import conditions
from people.models import User

STATUSES = {status.name.lower(): status for status in reversed(Status) if status is not Status.OK}
TEXT_LIMIT = 2000  # characters, as of the API (docs/wire-contract.md §5.4)
ME, NOBODY = "me", "nobody"


class Sort(StrEnum):
    """The orders that a person can choose (docs/wire-contract.md §5.1)."""

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
    """One filter that is on, and the query string of the view without it."""

    name: str  # of its parameter
    label: str
    without: str


class IncidentFilter:
    """`env`, `folder`, `q` (BPQL), `status` and `source` (any number), `owner`, `shared`, `flapping` and `sort`, as one person asks for them.

    What makes no sense is left out rather than answered with an error; a query that cannot be read finds nothing, and `error` says why.
    Raises Http404 for an environment that is not there, or not for this person's eyes.
    """

    def __init__(self, data: QueryDict, user: User) -> None:
        self.data, self.user = data, user
        self.folder = Folder(folder) if (folder := data.get("folder", "")) in Folder.values else Folder.ACTIVE
        self.sort = Sort(sort) if (sort := data.get("sort", "")) in set(Sort) else Sort.URGENCY
        self.text = data.get("q", "").strip()[:TEXT_LIMIT]
        self.statuses = [name for name in dict.fromkeys(data.getlist("status")) if name in STATUSES]
        self.sources = list(dict.fromkeys(filter(None, data.getlist("source"))))
        self.owner = data.get("owner", "")
        self.shared = ME if data.get("shared") == ME else ""
        self.flapping = "1" if data.get("flapping") == "1" else ""
        self.environment = _environment(data.get("env", ""), user)

    @cached_property
    def visible(self) -> IncidentQuerySet:
        """What its person may see at all."""
        return Incident.objects.visible_to(self.user)

    @property
    def qs(self) -> IncidentQuerySet:
        """The view's incidents in its order."""
        found = self.folder.of(self.visible)
        if self.environment:
            found = found.in_environment(self.environment)
        found = found.filter(self._condition())
        if self.folder is Folder.RESOLVED:
            return found.latest_resolved_first()
        return found.order_by(*self.sort.fields)

    def _condition(self) -> Q:
        condition = Q()
        if self.text:
            condition &= Q(pk__in=[]) if self.error else self._found
        if self.statuses:
            # Of a resolved incident the worst status it ever had, since all of them are ok now.
            column = "severity" if self.folder is Folder.RESOLVED else "status"
            condition &= Q(**{f"{column}__in": [STATUSES[name] for name in self.statuses]})
        if self.sources:
            sent = Alert.objects.filter(incident=OuterRef("pk"), app_key__name__in=self.sources)
            condition &= Q(Exists(sent))
        if self.owner:
            condition &= {ME: Q(assignee=self.user), NOBODY: Q(assignee=None)}.get(
                self.owner, Q(assignee__username=self.owner)
            )
        if self.shared:
            condition &= Q(pk__in=self._shared_with_me())
        if self.flapping:
            condition &= Q(flapping=True)
        return condition

    def _shared_with_me(self) -> list[int]:
        # Looked for here: databases do not agree on asking what a list holds.
        shared = self.folder.of(Incident.objects.filter(shared_count__gt=0)).values_list("pk", "shared_with")
        me = str(self.user.pk)
        return [pk for pk, told in shared if any(key == me for key, _ in told)]

    @cached_property
    def _found(self) -> Q:
        query = bpql.parse(self.text)
        return (
            conditions.for_incidents(query) if self.folder is Folder.RESOLVED else conditions.for_open_incidents(query)
        )

    @cached_property
    def error(self) -> bpql.BpqlError | None:
        """Why the query cannot be read, and where; None when it can."""
        try:
            _ = self._found
        except bpql.BpqlError as error:
            return error
        return None

    @property
    def is_narrowed(self) -> bool:
        return bool(self.statuses) or self.is_searched

    @property
    def is_searched(self) -> bool:
        """Narrowed by more than the status."""
        return bool(self.text or self.sources or self.owner or self.shared or self.flapping)

    @property
    def chips(self) -> list[Chip]:
        """The filters that are on, the statuses apart, which have pills of their own."""
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

    def query(self, **changes: Any) -> str:
        """This view of the feed as a query string, with some of it changed; empty for the plain feed."""
        parts = {
            "env": str(self.environment.pk) if self.environment else "",
            "folder": self.folder.value,
            "q": self.text,
            "status": self.statuses,
            "source": self.sources,
            "owner": self.owner,
            "shared": self.shared,
            "flapping": self.flapping,
            "sort": self.sort.value,
        } | changes
        plain = {"folder": Folder.ACTIVE, "sort": Sort.URGENCY}
        query = QueryDict(mutable=True)
        for name, value in parts.items():
            for each in value if isinstance(value, list) else [value]:
                if each and plain.get(name) != each:
                    query.appendlist(name, str(each))
        return f"?{query.urlencode()}" if query else ""

    def toggled(self, status: str) -> str:
        """The query string with a status taken in or out."""
        rest = [each for each in self.statuses if each != status]
        return self.query(status=rest if status in self.statuses else [*rest, status])

    @property
    def elsewhere(self) -> list[tuple[str, str]]:
        """The other folders, and the address of the same search in each."""
        others = [folder for folder in (Folder.ACTIVE, Folder.SNOOZED, Folder.RESOLVED) if folder is not self.folder]
        feed = reverse("incidents:feed")
        return [(folder.label, feed + self.query(folder=folder.value)) for folder in others]

    @property
    def active(self) -> str:
        """The address of what is active here."""
        return reverse("incidents:feed") + self.query(folder=Folder.ACTIVE.value)

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
