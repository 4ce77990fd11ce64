"""Live views: lists of the feed as open pages watch them.

Pages with the same list and the same rights share one live view, which is refreshed once for all of them. A refresh
returns what has changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from django.http import QueryDict
from django.template.loader import render_to_string
from django.templatetags.static import static

from db.keyset import Page, page_after
from incidents.feed import storm
from incidents.feed.filters import IncidentFilter
from incidents.feed.folders import COUNT_LIMIT, Counts, resolved_count
from incidents.feed.page import ROWS, found_in_time, list_context, newest_event_at, with_people
from incidents.models import Activity, Environment, Incident
from people.models import User

State = dict[str, Any]  # what a page shows, by the names that scripts use
T = TypeVar("T")


class Round:
    """Refresh of all live views, in which several views share what is read."""

    def __init__(self, changed: Collection[str] = ()) -> None:
        # Incidents that changed since the round before. An empty set stands for any incident.
        self.changed = {int(pk) for pk in changed}
        self._shared: dict[tuple[str, int], Any] = {}
        self._incidents: dict[int, Incident] = {}

    def once(self, name: str, user: User, read: Callable[[], T]) -> T:
        """Return what a function reads. Views of one role share what is read under one name."""
        key = name, user.role_id
        if key not in self._shared:
            self._shared[key] = read()
        value: T = self._shared[key]
        return value

    def incidents(self, pks: Collection[int]) -> dict[int, Incident]:
        """Return incidents by key, each read once for all views."""
        if unread := [pk for pk in pks if pk not in self._incidents]:
            self._incidents |= with_people(Incident.objects.all()).in_bulk(unread)
        return {pk: self._incidents[pk] for pk in pks if pk in self._incidents}


class Row(NamedTuple):
    """A row of a live view, with the values from which its HTML was rendered."""

    incident: Incident
    values: dict[str, Any]
    html: str


@dataclass(slots=True)
class LiveView:
    """A list that open pages watch. Rows and fragments are rendered again only when their values change."""

    query: str
    user: User  # any user with the rights of the view
    rows: dict[int, Row] = field(default_factory=dict)
    resolved: int = 0  # count of resolved incidents
    state: State = field(default_factory=dict)  # everything but the rows, as of the last refresh
    fragments: dict[str, tuple[Any, str]] = field(default_factory=dict)  # HTML by template, with what each was made of

    @property
    def is_search(self) -> bool:
        """True if the view has a query, which may take long."""
        return bool(QueryDict(self.query).get("q"))

    def refresh(self, this_round: Round) -> State:
        """Bring the view up to date and return what has changed, or an empty dictionary.

        `order` has the keys of all rows, `rows` the HTML of new and changed rows, and `gone` the HTML for rows that
        left the view. Raise Http404 when the environment of the view was deleted or closed to the role.
        """
        asked = IncidentFilter(QueryDict(self.query), self.user)
        counts = self._count(asked, this_round)
        newest = this_round.once("newest event", self.user, newest_event_at)
        storm_now = this_round.once("storm", self.user, lambda: storm.now(self.user))
        page = found_in_time(asked, lambda: self._page(asked, this_round))
        context = list_context(asked, counts, page, newest, storm_now)
        environments = this_round.once("environments", self.user, lambda: Environment.objects.visible_to(self.user))

        rows = {incident.pk: self._row(incident, context) for incident in context["page"].rows}
        state = self._surroundings(context) | {"counts": counts.by_key(environments, asked.environment)}

        news = {name: value for name, value in state.items() if self.state.get(name) != value}
        if changed := {str(pk): row.html for pk, row in rows.items() if self._shows_otherwise(row)}:
            news["rows"] = changed
        if gone := self.gone(self.rows.keys() - rows.keys()):
            news["gone"] = gone
        self.rows, self.state = rows, state
        return news

    def whole(self) -> State:
        """Return everything that the view shows, for a page that has just been opened."""
        return self.state | {"rows": {str(pk): row.html for pk, row in self.rows.items()}}

    def _count(self, asked: IncidentFilter, this_round: Round) -> Counts:
        counts = this_round.once("counts", self.user, lambda: Counts.of_open(asked.visible))
        # A count at the limit rarely falls below the limit. Only a round about everything reads the count again.
        if self.resolved < COUNT_LIMIT or not this_round.changed:
            self.resolved = resolved_count(asked.visible, asked.environment)
        return counts.with_resolved(self.resolved)

    def _page(self, asked: IncidentFilter, this_round: Round) -> Page[Incident]:
        """Return the page of the view.

        Where the changed incidents are known, read only the keys of the page and those incidents.
        """
        after, changed = asked.data.get("after", ""), this_round.changed
        if not changed:
            return page_after(with_people(asked.qs), after, size=ROWS)
        found = asked.qs
        columns = [str(name).removeprefix("-") for name in found.query.order_by]
        page = page_after(found.only(*columns), after, size=ROWS)
        known = {pk: row.incident for pk, row in self.rows.items() if pk not in changed}
        known |= this_round.incidents([each.pk for each in page.rows if each.pk not in known])
        return Page([known[each.pk] for each in page.rows if each.pk in known], page.next_key, page.is_first)

    def _row(self, incident: Incident, context: State) -> Row:
        """Return the row of an incident, with the HTML of before where no value has changed."""
        values = {name: value for name, value in vars(incident).items() if name != "_state"}
        values["is_snoozed"] = incident.is_snoozed  # a snooze ends without a change of the row
        before = self.rows.get(incident.pk)
        if before and before.values == values:
            return before._replace(incident=incident)
        return Row(incident, values, render_to_string("feed/_row.html", {**context, "row": incident}))

    def _shows_otherwise(self, row: Row) -> bool:
        before = self.rows.get(row.incident.pk)
        return before is None or before.html != row.html

    def _surroundings(self, context: State) -> State:
        worst, of_worst, page = context["worst"], context["of_worst"], context["page"]
        return {
            "order": [str(row.pk) for row in page.rows],
            "pills": self._fragment("feed/_pills.html", context["pills"], context),
            "end": self._fragment(
                "feed/_feed_end.html", (page.is_first, page.next_key) if page.rows else None, context
            ),
            "storm": self._fragment("feed/_storm.html", (context["storm"],), context),
            "worst": f"({of_worst}) {worst.label.capitalize()} · " if of_worst else "",
            "icon": static(f"icons/{worst.name.lower()}.svg"),
            "matching_count": context["matching_count"],
            "last_event": context["last_event_at"].isoformat() if context["last_event_at"] else "",
        }

    def _fragment(self, template: str, made_of: Any, context: State) -> str:
        """Render a fragment. Reuse the HTML while `made_of` is unchanged; with None, render each time."""
        before, html = self.fragments.get(template, (None, ""))
        if made_of is None or made_of != before:
            html = render_to_string(template, {**context, "user": self.user})
            self.fragments[template] = made_of, html
        return html

    def gone(self, pks: Collection[int]) -> dict[str, str]:
        """Return the HTML for rows that left the view: what happened to the incident, and how to undo that.

        An incident that left for another reason, as when other incidents took its place on the page, has no HTML.
        """
        if not pks:
            return {}
        incidents = with_people(Incident.objects.visible_to(self.user)).filter(pk__in=pks)
        resolves = Activity.objects.filter(incident__in=pks, kind=Activity.Kind.RESOLVED_BY_HAND, undone_at=None)
        undoable = {resolve.incident_id: resolve for resolve in resolves.order_by("at")}
        return {
            str(incident.pk): render_to_string(
                "feed/_row_gone.html",
                {"row": incident, "undoable": undoable.get(incident.pk), "query": self.query, "user": self.user},
            )
            for incident in incidents
            if incident.resolved_at or incident.is_snoozed or incident.is_in_maintenance or incident.assignee_id
        }


def snapshot(query: str, user: User, *, shown: Collection[int]) -> str:
    """Return everything that a view shows as JSON, for a page that polls.

    `shown` has the incidents that the page shows now.
    """
    view = LiveView(query, user)
    view.refresh(Round())
    return json.dumps(view.whole() | {"gone": view.gone(set(shown) - view.rows.keys())})


def view_key(query: str, user: User) -> tuple[str, ...]:
    """Return the key of the view that a person watches.

    People of one role share a view unless its filter is about themselves.
    """
    return query, str(user.role_id), str(user.pk) if "owner=me" in query or "shared=me" in query else ""
