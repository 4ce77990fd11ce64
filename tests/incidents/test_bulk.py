"""Bulk actions: the question with its counts, the frozen selection, the result with its refusals, and the undo."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from alerts.events import Status
from incidents import actions
from incidents.actions import Resolve, bulk
from incidents.feed.folders import COUNT_LIMIT
from incidents.models import Activity, BulkAction, Incident
from people.models import User
from tests.conftest import PostEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def acting(client: Client, responder: User) -> Client:
    client.force_login(responder)
    return client


@pytest.fixture
def four(post_event: PostEvent) -> list[Incident]:
    """Return three critical incidents, the last with two alerts, and one with a warning."""
    for host, status in (("a", "critical"), ("b", "critical"), ("c", "critical"), ("d", "warning")):
        post_event(host=host, check="disk", status=status)
    post_event(host="c", check="cpu")
    return list(Incident.objects.order_by("pk"))


def asked(client: Client, what: str, **fields: object) -> BulkAction:
    assert client.post("/bulk", {"what": what, **fields}).status_code == 200
    return BulkAction.objects.latest("pk")


@pytest.mark.parametrize(
    ("view", "told"),
    [("", "4"), ("?status=critical", "3"), ("?status=critical&status=warning", "4"), ("?q=host+%3D+d", "1")],
)
def test_how_many_match_is_said_before_they_are_chosen(
    acting: Client, four: list[Incident], view: str, told: str
) -> None:
    assert f'data-matching="{told}"' in acting.get(f"/{view}").content.decode()


def test_how_many_match_is_left_open_where_counting_would_take_long(acting: Client, four: list[Incident]) -> None:
    actions.resolve(four[3], by=User.objects.get())
    many = [Incident.objects.get(pk=four[3].pk) for _ in range(COUNT_LIMIT)]
    for each in many:
        each.pk = None
    Incident.objects.bulk_create(many)
    assert 'data-matching=""' in acting.get("/?folder=resolved").content.decode()
    assert 'data-matching=""' in acting.get("/?folder=resolved&status=warning").content.decode()


def test_the_question_says_what_it_is_about_and_what_still_fires(acting: Client, four: list[Incident]) -> None:
    shown = acting.post("/bulk", {"what": "resolve", "all": "1", "matching": "?status=critical"}).content.decode()
    assert "Resolve 3 incidents?" in shown
    assert "4 alerts in 3 incidents still fire." in shown
    assert "Nagios" in shown
    assert Incident.objects.open().count() == 4


def test_the_question_names_a_few(acting: Client, four: list[Incident]) -> None:
    shown = acting.post("/bulk", {"what": "resolve", "incident": four[2].pk}).content.decode()
    assert '<span class="pick-title">c <span class="hint">' in shown
    assert "2 alerts still fire." in shown


def test_in_the_feed_the_result_stands_in_the_corner_and_the_page_stays(acting: Client, four: list[Incident]) -> None:
    drafted = asked(acting, "resolve", incident=[each.pk for each in four])
    reply = acting.post(f"/bulk/{drafted.pk}/start", headers={"HX-Request": "true"})
    assert reply.headers["HX-Retarget"] == "#toasts"
    assert "console:begun" in reply.headers["HX-Trigger-After-Settle"]
    assert "4 done" in reply.content.decode()
    assert "bulk-card" not in acting.get("/").content.decode()  # the result was shown already


def test_it_is_done_to_those_and_to_no_late_comer(acting: Client, four: list[Incident], post_event: PostEvent) -> None:
    drafted = asked(acting, "resolve", all="1", matching="?status=critical")
    post_event(host="late", check="disk")
    acting.post(f"/bulk/{drafted.pk}/start", {"comment": "one switch"})
    assert sorted(Incident.objects.open().values_list("title", flat=True)) == ["d", "late"]
    assert {row.status for row in Incident.objects.resolved()} == {Status.OK}
    assert Activity.objects.filter(bulk=drafted, comment="one switch").count() == 3


def test_what_was_skipped_and_why_has_a_page(acting: Client, four: list[Incident], responder: User) -> None:
    drafted = asked(acting, "resolve", incident=[each.pk for each in four])
    actions.resolve(four[0], by=responder)
    acting.post(f"/bulk/{drafted.pk}/start")
    shown = acting.get(f"/bulk/{drafted.pk}").content.decode()
    assert "The incident is resolved already." in shown
    assert f'href="/incidents/{four[0].pk}"' in shown
    drafted.refresh_from_db()
    assert (drafted.state, drafted.done, drafted.skipped_count) == ("done", 3, 1)


def test_its_result_is_told_wherever_the_person_is_until_it_was_read(acting: Client, four: list[Incident]) -> None:
    drafted = asked(acting, "acknowledge", incident=[each.pk for each in four])
    assert "Acknowledge 4 incidents" not in acting.get("/").content.decode()
    acting.post(f"/bulk/{drafted.pk}/start")
    assert "Acknowledge 4 incidents</a>: 4 done" in acting.get("/api").content.decode()
    acting.post(f"/bulk/{drafted.pk}/dismiss")
    assert "Acknowledge 4 incidents" not in acting.get("/").content.decode()


@pytest.mark.parametrize(
    ("what", "fields"),
    [
        ("resolve", {}),
        ("acknowledge", {}),
        ("assign", {}),
        ("snooze", {"length": "1h"}),
        ("comment", {"comment": "known"}),
        ("priority", {"priority": "2"}),
    ],
)
def test_all_of_it_is_undone_as_one(acting: Client, four: list[Incident], what: str, fields: dict[str, str]) -> None:
    before = list(Incident.objects.order_by("pk").values())
    drafted = asked(acting, what, incident=[each.pk for each in four])
    acting.post(f"/bulk/{drafted.pk}/start", fields)
    assert list(Incident.objects.order_by("pk").values()) != before
    acting.post("/undo")
    assert list(Incident.objects.order_by("pk").values()) == before
    drafted.refresh_from_db()
    assert (drafted.state, drafted.kept_count) == ("undone", 0)


def test_that_all_of_it_was_undone_is_told_for_a_moment(acting: Client, four: list[Incident]) -> None:
    drafted = asked(acting, "resolve", incident=[each.pk for each in four])
    acting.post(f"/bulk/{drafted.pk}/start")
    acting.post("/undo")
    card = f'id="bulk-card-{drafted.pk}"'
    told = acting.get("/").content.decode()
    assert card in told
    assert "data-stays" not in told
    with time_machine.travel(timezone.now() + timedelta(minutes=1), tick=False):
        assert card not in acting.get("/").content.decode()


def test_undo_leaves_what_was_changed_since_and_says_so(acting: Client, four: list[Incident], admin: User) -> None:
    drafted = asked(acting, "assign", incident=[each.pk for each in four])
    acting.post(f"/bulk/{drafted.pk}/start")
    actions.assign(four[1], to=admin, by=admin)
    acting.post(f"/bulk/{drafted.pk}/undo")
    assert "data-stays" in acting.get("/").content.decode()
    assert [row.assignee for row in Incident.objects.order_by("pk")] == [None, admin, None, None]
    shown = acting.get(f"/bulk/{drafted.pk}").content.decode()
    assert "Not undone" in shown
    assert "It has another owner since" in shown


def test_confirmed_twice_it_is_done_once(acting: Client, four: list[Incident]) -> None:
    drafted = asked(acting, "comment", incident=[each.pk for each in four])
    for _ in range(2):
        reply = acting.post(f"/bulk/{drafted.pk}/start", {"comment": "known"}, follow=True)
    assert "This was begun already" in reply.content.decode()
    assert Activity.objects.filter(kind=Activity.Kind.COMMENTED).count() == 4


def test_killed_half_way_it_goes_on_where_it_was(
    four: list[Incident], responder: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "SET_SIZE", 1)
    drafted = bulk.draft("resolve", Incident.objects.open(), by=responder)
    bulk.start(drafted, Resolve())
    bulk._step(drafted.pk)
    assert Incident.objects.open().count() == 3
    bulk.run_those_at_work()
    bulk.run_those_at_work()
    drafted.refresh_from_db()
    assert (drafted.done, drafted.skipped_count, Incident.objects.open().count()) == (4, 0, 0)


def test_nothing_selected_is_told(acting: Client, four: list[Incident]) -> None:
    reply = acting.post("/bulk", {"what": "resolve"}, follow=True)
    assert "No incident is chosen." in reply.content.decode()
    assert acting.post("/bulk", {"what": "explode", "incident": four[0].pk}).status_code == 404


def test_a_question_asked_wrongly_is_asked_again(acting: Client, four: list[Incident]) -> None:
    drafted = asked(acting, "comment", incident=[four[0].pk])
    reply = acting.post(f"/bulk/{drafted.pk}/start", {"comment": " "})
    assert "Write something first." in reply.content.decode()
    drafted.refresh_from_db()
    assert drafted.state == "asked"


def test_a_viewer_asks_for_nothing(client: Client, viewer: User, four: list[Incident]) -> None:
    client.force_login(viewer)
    assert client.post("/bulk", {"what": "resolve", "incident": four[0].pk}).status_code == 403
    assert client.post("/undo").status_code == 403


def test_an_activity_of_many_says_so_and_leads_to_its_page(acting: Client, four: list[Incident]) -> None:
    drafted = asked(acting, "acknowledge", incident=[each.pk for each in four])
    acting.post(f"/bulk/{drafted.pk}/start")
    shown = acting.get(f"/incidents/{four[0].pk}/activity").content.decode()
    assert f'<a href="/bulk/{drafted.pk}">with 4 at once</a>' in shown


def test_a_bulk_action_stored_under_a_former_name_is_shown_and_undone(
    acting: Client, four: list[Incident], responder: User
) -> None:
    for each in four:
        actions.assign(each, to=responder, by=responder)
    drafted = asked(acting, "release", incident=[each.pk for each in four])
    acting.post(f"/bulk/{drafted.pk}/start")
    BulkAction.objects.update(what="release")
    assert "Unassign 4 incidents" in acting.get(f"/bulk/{drafted.pk}").content.decode()
    acting.post(f"/bulk/{drafted.pk}/undo")
    assert not Incident.objects.filter(assignee=None).exists()
