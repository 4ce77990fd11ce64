"""Tests of the pane of an incident: its overview, its table of alerts, and its timeline."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents import actions
from incidents.models import Incident
from people.models import User
from tests.conftest import PostBatch, PostEvent

NOON = 1_700_000_000


@pytest.fixture
def acting(client: Client, responder: User) -> Client:
    client.force_login(responder)
    return client


@pytest.fixture
def shown(acting: Client) -> Callable[[str], str]:
    """Return a part of an incident, or of the only incident, as the text of the page."""

    def fetch(part: str, incident: Incident | None = None, **query: Any) -> str:
        headers = {"HX-Request": "true", "HX-Target": "pane"}
        reply = acting.get(f"/incidents/{(incident or Incident.objects.get()).pk}{part}", query, headers=headers)
        assert reply.status_code == 200
        return reply.content.decode()

    return fetch


def named(page: str) -> list[str]:
    """Return the alerts on a page, by their secondary values."""
    return re.findall(r'"alert-secondary">([^<]+)', page)


def test_the_overview_gathers_what_the_alerts_link_to(post_event: PostEvent, shown: Callable[..., str]) -> None:
    everywhere = {"host": "db-1", "runbook": "https://wiki.example.com/db"}
    post_event(**everywhere, check="Disk", graph="https://graphs.example.com/disk")
    post_event(**everywhere, check="CPU", graph="https://graphs.example.com/cpu")
    post_event(**everywhere, check="RAM", graph="https://graphs.example.com/cpu")
    links = shown("").split("Links</h3>")[1].split("</section>")[0]
    assert re.findall(r'href="(https:[^"]+)"', links) == [
        "https://wiki.example.com/db",
        "https://graphs.example.com/cpu",
        "https://graphs.example.com/disk",
    ]
    assert re.findall(r"<span>([^<]+)</span></a>", links) == ["runbook", "graph 1", "graph 2"]


def test_the_overview_says_why_the_alerts_are_together(post_event: PostEvent, shown: Callable[..., str]) -> None:
    post_event(host="db-1", check="Disk")
    assert "Others join it that have the same host “db-1”" in shown("")
    post_event(host="db-1", check="CPU")
    assert "All 2 alerts have the same host “db-1”" in shown("")


def test_the_overview_says_that_people_put_the_alerts_together(
    post_event: PostEvent, shown: Callable[..., str], responder: User
) -> None:
    for host, check in (("db-1", "Disk"), ("db-1", "CPU"), ("web-1", "CPU"), ("web-1", "Disk"), ("web-1", "Load")):
        post_event(host=host, check=check)
    db, web = Incident.objects.order_by("pk")
    merged = actions.merge(db, [web], by=responder)
    assert "People put its alerts together by hand." in shown("", incident=db)
    actions.undo(merged, by=responder)
    assert "All 2 alerts have the same host “db-1”" in shown("", incident=db)
    actions.split(web, list(web.alerts.order_by("pk").values_list("pk", flat=True)[:2]), by=responder)
    assert "People put its alerts together by hand." in shown("", incident=Incident.objects.latest("pk"))
    assert "It is one alert so far." in shown("", incident=web)


def test_alerts_are_sorted_by_a_header_and_the_other_way_round(
    post_batch: PostBatch, shown: Callable[..., str]
) -> None:
    for check, status, at in (("a", "ok", 3), ("b", "critical", 1), ("c", "warning", 2)):
        first = {"host": "db-1", "check": check, "status": "critical", "timestamp": NOON}
        post_batch(first, {**first, "status": status, "timestamp": NOON + at})
    orders = {"": "bca", "status": "bca", "-status": "acb", "changed": "acb", "-changed": "bca", "nonsense": "bca"}
    for sort, order in orders.items():
        page = shown("/alerts", **{"alert-sort": sort})
        assert "".join(named(page)) == order, sort
    assert 'aria-sort="ascending"' in shown("/alerts", **{"alert-sort": "name"})


def test_alerts_are_narrowed_by_text_and_status(post_event: PostEvent, shown: Callable[..., str]) -> None:
    post_event(host="db-1", check="Disk", rack="R7")
    post_event(host="db-1", check="CPU", status="warning")
    assert named(shown("/alerts", **{"alert-status": "warning"})) == ["CPU"]
    assert named(shown("/alerts", **{"alert-q": "r7"})) == ["Disk"]
    nothing = shown("/alerts", **{"alert-q": "no such thing"})
    assert "No alert of this incident matches" in nothing
    assert "Clear the filter" in nothing


def test_alerts_are_asked_for_in_the_language_of_the_feed(post_event: PostEvent, shown: Callable[..., str]) -> None:
    post_event(host="db-1", check="Disk", rack="r7")
    post_event(host="db-1", check="CPU", rack="r8", status="warning")
    assert named(shown("/alerts", **{"alert-q": "rack = r7 OR status = critical"})) == ["Disk"]
    assert named(shown("/alerts", **{"alert-q": "rack != r7"})) == ["CPU"]
    broken = shown("/alerts", **{"alert-q": "rack = (r7"})
    assert 'aria-describedby="alert-q-error"' in broken
    assert 'id="alert-q-error"' in broken
    of_incidents = shown("/alerts", **{"alert-q": "rack === r7"})
    assert "cannot be asked of one alert" in of_incidents
    assert named(of_incidents) == []


@pytest.mark.parametrize("sort", ["status", "-status", "name", "-name", "started", "-changed"])
def test_pages_of_alerts_show_each_once(post_batch: PostBatch, shown: Callable[..., str], sort: str) -> None:
    post_batch(*({"host": "db-1", "check": f"c{n:03}", "status": ("critical", "warning")[n % 2]} for n in range(230)))
    seen: list[str] = []
    after = ""
    for _ in range(3):
        query = {"alert-sort": sort, "alert-status": ["critical", "warning"], "pane_after": after}
        page = shown("/alerts", **query)
        seen += named(page)
        more = re.search(r'rel="next"\s+href="[^"]*pane_after=([^"&]+)', page)
        after = unquote_plus(more[1]) if more else ""
    assert sorted(seen) == [f"c{n:03}" for n in range(230)]


def test_a_row_of_the_timeline_changes_colour_where_the_alert_changed_status(
    post_event: PostEvent, shown: Callable[..., str]
) -> None:
    for after, status in ((0, "critical"), (60, "critical"), (120, "warning"), (180, "ok")):
        post_event(host="db-1", check="Disk", status=status, timestamp=NOON + after, value=str(after))
    drawn = re.findall(
        r'<g class="span-(\w+)"><title>\w+ from ([^<]*)</title><path class="span" d="M([\d.]+)', shown("/timeline")
    )
    assert [(status, float(x)) for status, _, x in drawn] == [("critical", 0), ("warning", 120), ("ok", 180)]
    assert drawn[0][1] == "2023-11-14 22:13:20 +0000 to 2023-11-14 22:15:20 +0000"


def test_a_resolve_taken_back_leaves_no_trace_in_the_lane(
    acting: Client, post_event: PostEvent, shown: Callable[..., str]
) -> None:
    post_event(host="db-1", check="Disk")
    incident = Incident.objects.get()
    resolved = acting.post(f"/incidents/{incident.pk}/resolve", follow=True).context["undoable"]
    assert "span-ok" in shown("/timeline")
    acting.post(f"/incidents/{incident.pk}/undo", {"activity": resolved.pk})
    page = shown("/timeline")
    assert "span-ok" not in page
    assert 'class="marker"' in page  # actions of people are marked


def test_the_timeline_says_how_many_of_the_alerts_it_draws(post_batch: PostBatch, shown: Callable[..., str]) -> None:
    post_batch(*({"host": "db-1", "check": f"c{n}", "status": "critical"} for n in range(60)))
    page = shown("/timeline")
    assert "50 of 60 alerts, the worst first" in page
    assert 'rel="next"' in page


def test_the_table_twin_tells_what_the_drawing_shows(post_event: PostEvent, shown: Callable[..., str]) -> None:
    post_event(host="db-1", check="Disk", timestamp=NOON)
    post_event(host="db-1", check="Disk", status="ok", timestamp=NOON + 90)
    twin = shown("/timeline").split("The same as a table")[1]
    assert "1m 30s" in twin
    assert "2023-11-14 22:13:20" in twin


def test_the_part_that_all_names_of_a_timeline_share_is_shown_once(
    post_event: PostEvent, shown: Callable[..., str]
) -> None:
    for check in ("Disk", "CPU"):
        post_event(host="db-1", check=check)
    page = shown("/timeline")
    assert re.findall(r'class="timeline-names-shared" title="([^"]*)"', page) == ["db-1"]
    assert sorted(re.findall(r'class="timeline-name">([^<]*)<', page)) == ["CPU", "Disk"]


@pytest.mark.parametrize("part", ["", "/alerts", "/timeline", "/activity", "/why"])
def test_each_part_costs_the_same_for_two_alerts_and_fifty(
    post_event: PostEvent, shown: Callable[..., str], part: str
) -> None:
    costs = []
    for number in range(50):
        post_event(host="db-1", check=f"c{number}")
        if number in (1, 49):
            with CaptureQueriesContext(connection) as queries:
                shown(part)
            costs.append(len(queries))
    assert costs[0] == costs[1]
