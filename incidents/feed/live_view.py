"""A view of the feed as open pages watch it: made once for everybody with the same rights, and told as what has changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.http import QueryDict
from django.template.loader import render_to_string
from django.templatetags.static import static

from db.keyset import Page, page_after
from incidents.feed import folders, storm
from incidents.feed.filters import IncidentFilter
from incidents.feed.folders import Counts
from incidents.feed.page import moving_context
from incidents.feed.sidebar import counts_by_key, environments_of
from incidents.models import Activity, Incident
from people.models import User

Told = dict[str, Any]
T = TypeVar("T")


class Round:
    """One look at all views that are watched. What all of one role share is asked once."""

    def __init__(self, changed: Collection[str] = ()) -> None:
        self.changed = {int(pk) for pk in changed}  # incidents that did since the last look; none: any may have
        self._asked: dict[tuple[str, int], Any] = {}
        self._rows: dict[int, Incident] = {}

    def once(self, what: str, user: User, ask: Callable[[], T]) -> T:
        key = what, user.role_id
        if key not in self._asked:
            self._asked[key] = ask()
        answer: T = self._asked[key]
        return answer

    def rows(self, pks: Collection[int]) -> dict[int, Incident]:
        """The rows of these incidents, by their keys; each is read once for all views."""
        if unread := [pk for pk in pks if pk not in self._rows]:
            self._rows |= folders.rows(Incident.objects.all()).in_bulk(unread)
        return {pk: self._rows[pk] for pk in pks if pk in self._rows}


@dataclass(slots=True)
class LiveView:
    """Rows as HTML, with what they were made of: only a row that shows something else than before is made again."""

    query: str
    user: User  # anybody with these rights
    rows: dict[int, tuple[Incident, Told, str]] = field(default_factory=dict)
    resolved: int = 0
    told: Told = field(default_factory=dict)  # the newest value of everything but the rows
    parts: dict[str, tuple[Any, str]] = field(
        default_factory=dict
    )  # what stands around them as HTML, with what it was made of

    def refresh(self, this_round: Round) -> Told:
        """What has changed since the last time; empty where nothing has. Raises Http404 when the view is not there any more for these rights.

        `order` holds the keys of all rows, `rows` the HTML of those that are new or changed, `gone` that of rows that left, saying why.
        """
        asked = IncidentFilter(QueryDict(self.query), self.user)
        counts = this_round.once("counts", self.user, lambda: Counts.of_open(asked.visible))
        if self.resolved < folders.COUNT_LIMIT or not this_round.changed:
            self.resolved = folders.resolved_count(asked.visible, asked.environment)
        counts = counts.beside(self.resolved)
        context = moving_context(
            asked,
            counts,
            self._page(asked, this_round),
            this_round.once("last event", self.user, folders.last_event_at),
            this_round.once("storm", self.user, lambda: storm.now(self.user)),
        )
        shown: list[Incident] = context["page"].rows
        rows, changed = {}, {}
        for row in shown:
            seen = {name: value for name, value in vars(row).items() if name != "_state"}
            seen["is_snoozed"] = row.is_snoozed  # which ends by itself
            _, before, html = self.rows.get(row.pk, (None, {}, ""))
            if before != seen:
                changed[str(row.pk)] = html = render_to_string("feed/_row.html", {**context, "row": row})
            rows[row.pk] = (row, seen, html)
        gone = self.gone(set(self.rows) - set(rows))
        self.rows = rows
        environments = this_round.once("environments", self.user, lambda: environments_of(self.user))
        told = self._told(context) | {"counts": counts_by_key(environments, counts, asked.environment)}
        news = {name: value for name, value in told.items() if self.told.get(name) != value}
        self.told = told
        return news | ({"rows": changed} if changed else {}) | ({"gone": gone} if gone else {})

    def whole(self) -> Told:
        """Everything, for a page that has just come."""
        return self.told | {"rows": {str(pk): html for pk, (_, _, html) in self.rows.items()}}

    def _page(self, asked: IncidentFilter, this_round: Round) -> Page[Incident]:
        """The view's page. Where it is known which incidents changed, the others' rows are those of the last time."""
        after, changed = asked.data.get("after", ""), this_round.changed
        if not changed:
            return page_after(folders.rows(asked.qs), after, size=folders.ROWS)
        found = asked.qs
        columns = [str(name).removeprefix("-") for name in found.query.order_by]
        page = page_after(found.only(*columns), after, size=folders.ROWS)
        known = {pk: row for pk, (row, *_) in self.rows.items() if pk not in changed}
        known |= this_round.rows([row.pk for row in page.rows if row.pk not in known])
        rows = [known[row.pk] for row in page.rows if row.pk in known]
        return Page(rows, page.next_key, page.is_first)

    def _told(self, context: Told) -> Told:
        worst, of_worst, page = context["worst"], context["of_worst"], context["page"]
        return {
            "order": [str(row.pk) for row in page.rows],
            "pills": self._part("_pills", context["pills"], context),
            "end": self._part("_feed_end", (page.is_first, page.next_key) if page.rows else None, context),
            "storm": self._part("_storm", (context["storm"],), context),
            "worst": f"({of_worst}) {worst.label.capitalize()} · " if of_worst else "",
            "icon": static(f"icons/{worst.name.lower()}.svg"),
            "matching_count": context["matching_count"],
            "last_event": context["last_event_at"].isoformat() if context["last_event_at"] else "",
        }

    def _part(self, name: str, made_of: Any, context: Told) -> str:
        """A part around the rows, made again only of something else; of None, each time."""
        before, html = self.parts.get(name, (None, ""))
        if made_of is None or made_of != before:
            html = render_to_string(f"feed/{name}.html", {**context, "user": self.user})
            self.parts[name] = made_of, html
        return html

    def gone(self, pks: set[int]) -> dict[str, str]:
        """Of rows that left the view by what somebody did, or by their alerts: what happened, and how to take it back."""
        incidents = folders.rows(Incident.objects.visible_to(self.user)).filter(pk__in=pks) if pks else ()
        resolves = Activity.objects.filter(incident__in=pks, kind=Activity.Kind.RESOLVED_BY_HAND, undone_at=None)
        undoable = {resolve.incident_id: resolve for resolve in resolves.order_by("at")} if pks else {}
        return {
            str(incident.pk): render_to_string(
                "feed/_row_gone.html",
                {"row": incident, "undoable": undoable.get(incident.pk), "query": self.query, "user": self.user},
            )
            for incident in incidents
            if incident.resolved_at or incident.is_snoozed or incident.is_in_maintenance or incident.assignee_id
        }


def snapshot(query: str, user: User, *, shown: Collection[int]) -> str:
    """Everything of a view, for a page that asks from time to time; `shown` are the incidents of its rows, some of which may have left."""
    view = LiveView(query, user)
    view.refresh(Round())
    return json.dumps(view.whole() | {"gone": view.gone(set(shown) - set(view.rows))})


def shared_by(query: str, user: User) -> tuple[str, ...]:
    """Who has the same role sees the same, but for what is asked about oneself."""
    return query, str(user.role_id), str(user.pk) if "owner=me" in query or "shared=me" in query else ""
