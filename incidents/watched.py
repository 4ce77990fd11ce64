"""A view of the feed as open pages watch it: made once for everybody with the same rights, and told as what has changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.template.loader import render_to_string
from django.templatetags.static import static

from incidents import feed
from incidents.feed import Counts
from incidents.feed_page import rows_context
from incidents.filters import IncidentFilter
from incidents.models import Activity, Incident
from incidents.rail import Rail
from people.models import User

Told = dict[str, Any]
NOT_SHOWN = {"_state", "search_text"}


@dataclass(slots=True)
class WatchedView:
    """Rows as HTML, with what they were made of: only a row that shows something else than before is made again."""

    query: str
    user: User  # anybody with these rights
    rows: dict[int, tuple[Told, str]] = field(default_factory=dict)
    told: Told = field(default_factory=dict)  # the newest value of everything but the rows

    def refresh(self) -> Told:
        """What has changed since the last time; empty where nothing has. Raises Http404 when the view is not there any more for these rights.

        `order` holds the keys of all rows, `rows` the HTML of those that are new or changed, `gone` that of rows that left, saying why.
        """
        asked = IncidentFilter(QueryDict(self.query), self.user)
        counts = Counts.now(asked.visible, asked.environment)
        context = rows_context(asked, counts)
        shown: list[Incident] = context["page"].rows
        rows, changed = {}, {}
        for row in shown:
            seen = {name: value for name, value in vars(row).items() if name not in NOT_SHOWN}
            seen["is_snoozed"] = row.is_snoozed  # which ends by itself
            before, html = self.rows.get(row.pk, ({}, ""))
            if before != seen:
                changed[str(row.pk)] = html = render_to_string("incidents/_row.html", {**context, "row": row})
            rows[row.pk] = (seen, html)
        gone = self._gone(set(self.rows) - set(rows))
        self.rows = rows
        told = self._told(asked, counts, context, shown)
        news = {name: value for name, value in told.items() if self.told.get(name) != value}
        self.told = told
        return news | ({"rows": changed} if changed else {}) | ({"gone": gone} if gone else {})

    def whole(self) -> Told:
        """Everything, for a page that has just come."""
        return self.told | {"rows": {str(pk): html for pk, (_, html) in self.rows.items()}}

    def _told(self, asked: IncidentFilter, counts: Counts, context: Told, shown: list[Incident]) -> Told:
        worst, of_worst = context["worst"], context["of_worst"]
        return {
            "order": [str(row.pk) for row in shown],
            "counts": {link.key: link.count for place in Rail.of(asked, counts).places for link in place.folders},
            "pills": render_to_string("incidents/_pills.html", context),
            "end": render_to_string("incidents/_feed_end.html", {**context, "user": self.user}),
            "storm": render_to_string("incidents/_storm.html", context),
            "worst": f"({of_worst}) {worst.label.capitalize()} · " if of_worst else "",
            "icon": static(f"icons/{worst.name.lower()}.svg"),
            "matching_count": context["matching_count"],
            "last_event": context["last_event_at"].isoformat() if context["last_event_at"] else "",
        }

    def _gone(self, pks: set[int]) -> dict[str, str]:
        """Of rows that left the view by what somebody did, or by their alerts: what happened, and how to take it back."""
        incidents = feed.rows(Incident.objects.visible_to(self.user)).filter(pk__in=pks) if pks else ()
        resolves = Activity.objects.filter(incident__in=pks, kind=Activity.Kind.RESOLVED_BY_HAND, undone_at=None)
        undoable = {resolve.incident_id: resolve for resolve in resolves.order_by("at")} if pks else {}
        return {
            str(incident.pk): render_to_string(
                "incidents/_row_gone.html",
                {"row": incident, "undoable": undoable.get(incident.pk), "query": self.query, "user": self.user},
            )
            for incident in incidents
            if incident.resolved_at or incident.is_snoozed or incident.assignee_id
        }


def snapshot(query: str, user: User) -> str:
    """Everything of a view, for a page that asks from time to time."""
    view = WatchedView(query, user)
    view.refresh()
    return json.dumps(view.whole())


def shared_by(query: str, user: User) -> tuple[str, ...]:
    """Who has the same role sees the same, but for what is asked about oneself."""
    return query, str(user.role_id), str(user.pk) if "owner=me" in query else ""
