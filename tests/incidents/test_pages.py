"""Tests of the feed and of the page of an incident, for people of each role."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from alerts.events import Status
from alerts.models import Alert
from incidents import actions
from incidents.models import Activity, Incident
from people.models import User
from tests.conftest import PostEvent


@pytest.fixture
def signed_in(client: Client) -> Callable[[User], Client]:
    def sign_in(user: User) -> Client:
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def acting(client: Client, responder: User) -> Client:
    """Return the browser of a responder."""
    client.force_login(responder)
    return client


def page(client: Client, path: str, **headers: str) -> str:
    reply = client.get(path, headers=headers)
    assert reply.status_code == 200, reply.status_code
    return reply.content.decode()


def titles(client: Client, path: str = "/") -> list[str]:
    return [row.title for row in client.get(path).context["page"].rows]


def test_a_posted_alert_is_a_row_of_the_feed(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1", check="Disk", team="payments")
    shown = page(acting, "/")
    for said in ("db-1", "Disk", "Critical", "payments", "Nagios", "(1) Critical"):
        assert said in shown


def test_a_long_name_keeps_what_tells_it_from_others_and_is_told_whole(acting: Client, post_event: PostEvent) -> None:
    name = "checkout-service-7c5d9f64bb-2mxwq.prod.internal.example.com"
    post_event(host=name, check="Disk")
    shown = page(acting, "/")
    parts = dict(re.findall(r'<span class="middle-(\w+)">([^<]+)</span>', shown))
    assert parts == {"head": "checkout-service-7c5d9f", "tail": "64bb-2mxwq", "domain": ".prod.internal.example.com"}
    assert f'title="{name}"' in shown


def test_a_page_that_asks_is_told_what_is_there_and_nothing_where_nothing_changed(
    acting: Client, post_event: PostEvent
) -> None:
    post_event(host="db-1")
    (incident,) = Incident.objects.all()
    reply = acting.get("/live/state?folder=active")
    told = reply.json()
    assert told["order"] == [str(incident.pk)]
    assert "db-1" in told["rows"][str(incident.pk)]
    assert told["counts"]["0-active"] == "1"
    assert told["worst"] == "(1) Critical · "
    unchanged = {"If-None-Match": reply.headers["ETag"]}
    assert acting.get("/live/state?folder=active", headers=unchanged).status_code == 304
    post_event(host="db-2")
    assert acting.get("/live/state?folder=active", headers=unchanged).status_code == 200


def test_a_page_that_asks_is_told_why_rows_left_that_it_shows(
    acting: Client, responder: User, post_event: PostEvent
) -> None:
    for host in ("db-1", "db-2", "db-3"):
        post_event(host=host)
    resolved, followed, kept = Incident.objects.order_by("pk")
    actions.resolve(resolved, by=responder, comment="Replaced")
    reply = acting.get(f"/live/state?q=host%3Ddb-3&shown={resolved.pk},{followed.pk},{kept.pk},x,{'9' * 20}")
    told = reply.json()
    assert told["order"] == [str(kept.pk)]
    assert list(told["gone"]) == [str(resolved.pk)]  # the other incident is still open
    assert "resolved by" in told["gone"][str(resolved.pk)]


def test_the_worst_comes_first_then_the_newest_change(acting: Client, post_event: PostEvent) -> None:
    post_event(host="old-warning", status="warning", timestamp=1_700_000_000)
    post_event(host="new-warning", status="warning", timestamp=1_700_000_900)
    post_event(host="old-critical", status="critical", timestamp=1_600_000_000)
    assert titles(acting) == ["old-critical", "new-warning", "old-warning"]
    assert titles(acting, "/?sort=last_change") == ["new-warning", "old-warning", "old-critical"]


def test_folders_hold_what_their_names_say(acting: Client, responder: User, post_event: PostEvent) -> None:
    for host in ("mine", "nobodys", "over"):
        post_event(host=host)
    post_event(host="over", status="ok")
    Incident.objects.filter(title="mine").update(assignee=responder)
    assert set(titles(acting, "/?folder=active")) == {"mine", "nobodys"}
    assert titles(acting, "/?folder=unhandled") == ["nobodys"]
    assert titles(acting, "/?folder=resolved") == ["over"]
    assert set(titles(acting, "/?folder=nonsense")) == {"mine", "nobodys"}


@pytest.mark.parametrize("text", ["ärger", "ÄRGER", "rger-7", "100%", "a_b"])
def test_search_finds_titles_in_any_case_and_takes_signs_literally(
    acting: Client, post_event: PostEvent, text: str
) -> None:
    post_event(host="Ärger-7 100% a_b")
    post_event(host="other")
    assert titles(acting, f"/?q={text.replace('%', '%25')}") == ["Ärger-7 100% a_b"]


def test_statuses_narrow_the_feed_and_can_be_removed(acting: Client, post_event: PostEvent) -> None:
    for status in ("critical", "warning", "unknown"):
        post_event(host=f"is-{status}", status=status)
    reply = acting.get("/?status=critical&status=unknown")
    assert [row.title for row in reply.context["page"].rows] == ["is-critical", "is-unknown"]
    assert reply.context["filter"].toggled("unknown") == "?status=critical"


def test_pages_by_key_show_each_incident_once(acting: Client, post_event: PostEvent) -> None:
    for number in range(55):
        post_event(host=f"h{number}", status="warning")
    first = acting.get("/").context["page"]
    second = acting.get("/", {"after": first.next_key}).context["page"]
    assert len(first.rows) == 50
    assert len(second.rows) == 5
    assert not second.next_key
    assert len({row.pk for row in [*first.rows, *second.rows]}) == 55


@pytest.mark.parametrize(
    "key", ["x", "4~never~1", "9~2026-01-01~1", f"{10**30}~2026-01-01T00:00:00+00:00~{10**30}", "~~"]
)
def test_a_key_that_makes_no_sense_harms_nothing(acting: Client, post_event: PostEvent, key: str) -> None:
    post_event(host="db-1")
    assert acting.get("/", {"after": key}).status_code == 200


def test_feed_costs_the_same_for_one_incident_and_fifty(
    acting: Client, post_event: PostEvent, django_assert_max_num_queries: Any
) -> None:
    post_event(host="h0", runbook="https://wiki.example.com/r")
    with django_assert_max_num_queries(18):
        acting.get("/")
    for number in range(1, 50):
        post_event(host=f"h{number}", team="core")
    with django_assert_max_num_queries(18):
        acting.get("/")


def test_an_incident_stands_beside_its_feed(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1", check="Disk", runbook="https://wiki.example.com/disk", description="92 % used")
    (incident,) = Incident.objects.all()
    shown = page(acting, f"/incidents/{incident.pk}")
    assert 'id="rows"' in shown
    for said in ("92 % used", 'href="https://wiki.example.com/disk"', "Assign to me", "Resolve", 'aria-current="true"'):
        assert said in shown


def test_why_tells_the_pattern_that_won_and_those_that_did_not(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1", check="Disk")
    post_event(host="db-1", check="CPU")
    (incident,) = Incident.objects.all()
    shown = page(acting, f"/incidents/{incident.pk}/why")
    assert "It opened this incident" in shown
    assert "It joined by the pattern “same host within 1 hour”" in shown
    assert "The alert has no tag “cluster”" in shown
    assert "Window: <time" in shown


def test_resolve_says_what_still_fires_then_resolves_and_offers_undo(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1", check="Disk")
    post_event(host="db-1", check="CPU")
    (incident,) = Incident.objects.all()
    assert "2 alerts still fire." in page(acting, f"/incidents/{incident.pk}/resolve")
    reply = acting.post(f"/incidents/{incident.pk}/resolve", {"comment": "Disk replaced"}, follow=True)
    shown = reply.content.decode()
    assert "Resolved by you" in shown
    assert "Disk replaced" in page(acting, f"/incidents/{incident.pk}/activity")
    activity = reply.context["undoable"]
    acting.post(f"/incidents/{incident.pk}/undo", {"activity": activity.pk})
    incident.refresh_from_db()
    assert incident.is_open
    assert incident.status == Status.CRITICAL


def test_what_cannot_be_done_is_told(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1")
    (incident,) = Incident.objects.all()
    acting.post(f"/incidents/{incident.pk}/resolve")
    again = acting.post(f"/incidents/{incident.pk}/resolve", follow=True)
    assert "resolved already" in again.content.decode()
    activity = Activity.objects.get(kind=Activity.Kind.RESOLVED_BY_HAND)
    post_event(host="db-1", status="warning")
    late = acting.post(f"/incidents/{incident.pk}/undo", {"activity": activity.pk}, follow=True)
    assert "nothing to undo" in late.content.decode()


def test_a_person_takes_an_incident_and_releases_it(acting: Client, responder: User, post_event: PostEvent) -> None:
    post_event(host="db-1")
    (incident,) = Incident.objects.all()
    acting.post(f"/incidents/{incident.pk}/assign")
    incident.refresh_from_db()
    assert incident.assignee == responder
    assert "Unassign" in page(acting, f"/incidents/{incident.pk}")
    acting.post(f"/incidents/{incident.pk}/unassign")
    incident.refresh_from_db()
    assert incident.assignee is None


def test_a_comment_is_text_whatever_it_says(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1")
    (incident,) = Incident.objects.all()
    acting.post(f"/incidents/{incident.pk}/comment", {"comment": "<script>alert(1)</script>\nsecond line"})
    shown = page(acting, f"/incidents/{incident.pk}/activity")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;<br>\nsecond line" in shown
    assert "<script>alert" not in shown


def test_an_empty_comment_is_refused_at_its_field(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1")
    (incident,) = Incident.objects.all()
    reply = acting.post(f"/incidents/{incident.pk}/comment", {"comment": "  "})
    assert "Write something first." in reply.content.decode()
    assert not Activity.objects.filter(kind=Activity.Kind.COMMENTED).exists()


@pytest.mark.parametrize("action", ["resolve", "undo", "assign", "unassign", "comment"])
def test_a_viewer_looks_and_may_not_act(
    signed_in: Callable[[User], Client], viewer: User, post_event: PostEvent, action: str
) -> None:
    post_event(host="db-1")
    (incident,) = Incident.objects.all()
    client = signed_in(viewer)
    shown = page(client, f"/incidents/{incident.pk}")
    assert "Assign to me" not in shown
    assert 'name="comment"' not in shown
    reply = client.post(f"/incidents/{incident.pk}/{action}", {"comment": "x", "activity": 1})
    assert reply.status_code == 403
    assert "Your role lets you look, not act." in reply.content.decode()


def test_an_action_leads_nowhere_but_here(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1")
    (incident,) = Incident.objects.all()
    reply = acting.post(f"/incidents/{incident.pk}/assign", {"next": "https://elsewhere.example.com/"})
    assert reply.headers["Location"] == f"/incidents/{incident.pk}"


def test_an_administrator_is_led_through_the_first_run(
    signed_in: Callable[[User], Client], admin: User, request: pytest.FixtureRequest
) -> None:
    client = signed_in(admin)
    assert "Nothing sends alerts here yet" in page(client, "/")
    app_key = request.getfixturevalue("app_key")
    shown = page(client, "/")
    assert "Waiting for the first alert" in shown
    assert f"/integrations/{app_key.pk}" in shown


def test_others_are_told_whom_to_ask(acting: Client) -> None:
    assert "Ask an administrator" in page(acting, "/")


def test_all_clear_is_not_mistaken_for_breakage(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1")
    post_event(host="db-1", status="ok")
    shown = page(acting, "/")
    assert "All clear" in shown
    assert "The last incident was" in shown
    assert "the last event came" in shown


def test_a_filter_that_hides_everything_says_how_much(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1")
    shown = page(acting, "/?q=nothing-like-it")
    assert "Hidden by the filter: <strong>1</strong>" in shown
    assert re.findall(r'href="([^"]+)">(Snoozed|Resolved)</a>', shown.split('id="empty"')[1]) == [
        ("/?folder=snoozed&amp;q=nothing-like-it", "Snoozed"),
        ("/?folder=resolved&amp;q=nothing-like-it", "Resolved"),
    ]
    assert "Clear the filter" in shown


def test_a_search_that_cannot_be_read_is_not_called_one_that_finds_nothing(
    acting: Client, post_event: PostEvent
) -> None:
    post_event(host="db-1")
    shown = page(acting, "/?q=host+%3D+%28")
    assert "The search cannot be read" in shown
    assert "Expected a value" in shown
    assert "No incident matches" not in shown


NASTY = {
    "script": "<script>alert(1)</script>",
    "javascript": "javascript:alert(1)",
    "spaced": " javascript:alert(1)",
    "cased": "JaVaScRiPt:alert(1)",
    "lookalike": "httpx://example.com/",
    "data": "data:text/html,<script>alert(1)</script>",
    "breaks_out": 'https://example.com/"onmouseover="alert(1)',
    "markup": "http://<img src=x onerror=alert(1)>",
    "newline": "java\nscript:alert(1)",
    "split": "https://exa\nmple.com/",
    "tab": "https://example.com/\tx",
    "borrowed": "https://bank.example.com@evil.example.com/",
    "password": "https://user:secret@example.com/",
    "backslash": "https:\\\\example.com\\",
    "no_host": "http://",
    "only_scheme": "https:",
    "relative": "//example.com/",
    "sentence": "see https://example.com/ for more",
    "hidden_turn": "https://example.com/\u202egnp.exe",
}


def test_nasty_values_are_text_and_never_links(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1", check="<b>Disk</b>", **NASTY)
    (incident,) = Incident.objects.all()
    (alert,) = Alert.objects.all()
    for path in (
        "/",
        f"/incidents/{incident.pk}",
        f"/incidents/{incident.pk}/why",
        f"/incidents/{incident.pk}/activity",
        f"/alerts/{alert.pk}",
    ):
        shown = page(acting, path)
        assert "link-button" not in shown
        assert "<script>alert" not in shown
        assert "<img" not in shown
        assert "<b>Disk" not in shown
        assert 'onmouseover="' not in shown


def test_an_alert_tells_its_events_and_what_each_changed(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1", check="Disk", value="92", timestamp=1_700_000_000)
    post_event(host="db-1", check="Disk", value="97", status="warning", timestamp=1_700_000_060)
    (alert,) = Alert.objects.all()
    shown = page(acting, f"/alerts/{alert.pk}")
    assert "Status was critical" in shown
    assert "<del>92</del>" in shown
    assert "<ins>97</ins>" in shown
    assert "The first event" in shown
    assert "received <time" in shown


def test_pages_carry_no_inline_style_or_script(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1", runbook="https://wiki.example.com/x")
    (incident,) = Incident.objects.all()
    for path in ("/", f"/incidents/{incident.pk}", f"/incidents/{incident.pk}/resolve", "/alerts/1/none"):
        shown = acting.get(path).content.decode()
        assert " style=" not in shown
        assert "<style" not in shown
        assert "<script>" not in shown
        assert " onclick=" not in shown
