"""Handling of incidents: owner, acknowledgement, priority, tags and snooze."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from incidents import actions
from incidents.actions import InvalidTransition
from incidents.models import Activity, Incident, IncidentTag, Priority
from people.models import User
from tests.conftest import PostEvent

pytestmark = pytest.mark.django_db
AN_HOUR = timedelta(hours=1)


@pytest.fixture
def acting(client: Client, responder: User) -> Client:
    client.force_login(responder)
    return client


@pytest.fixture
def incident(post_event: PostEvent) -> Incident:
    post_event(host="db-1", check="disk", status="warning")
    return Incident.objects.get()


def snooze(incident: Incident, by: User, *, wakes_on_update: bool = True) -> Activity:
    return actions.snooze(incident, until=timezone.now() + AN_HOUR, by=by, wakes_on_update=wakes_on_update)


def in_folder(client: Client, folder: str) -> list[str]:
    return [row.title for row in client.get("/", {"folder": folder}).context["page"].rows]


def test_a_snoozed_incident_waits_in_its_folder_and_nowhere_else(
    acting: Client, incident: Incident, responder: User
) -> None:
    snooze(incident, responder)
    assert in_folder(acting, "snoozed") == ["db-1"]
    assert in_folder(acting, "active") == in_folder(acting, "unhandled") == []


def test_it_comes_back_when_its_time_has_come_also_before_anybody_told_so(
    acting: Client, incident: Incident, responder: User
) -> None:
    snooze(incident, responder)
    with time_machine.travel(timezone.now() + AN_HOUR + timedelta(seconds=1)):
        assert in_folder(acting, "active") == ["db-1"]
        assert actions.wake_those_due() == 1
        assert actions.wake_those_due() == 0
        shown = acting.get(f"/incidents/{incident.pk}/activity").content.decode()
        assert "Snooze ended: its time is over" in shown


@pytest.mark.parametrize(
    ("event", "why"),
    [({"check": "cpu"}, "an alert joined"), ({"check": "disk", "status": "critical"}, "its status got worse")],
)
def test_what_changes_ends_a_snooze_that_was_to_last_until_then(
    acting: Client, incident: Incident, responder: User, post_event: PostEvent, event: dict[str, str], why: str
) -> None:
    snooze(incident, responder)
    post_event(**{"host": "db-1", "status": "warning", **event})
    assert in_folder(acting, "active") == ["db-1"]
    assert why in acting.get(f"/incidents/{incident.pk}/activity").content.decode()


def test_resolved_and_reopened_it_is_back_too(
    acting: Client, incident: Incident, responder: User, post_event: PostEvent
) -> None:
    snooze(incident, responder)
    actions.resolve(incident, by=responder)
    post_event(host="db-1", check="disk", status="warning", timestamp=int(time.time()) + 1)
    assert Incident.objects.active().get() == incident
    assert "Snooze ended: it reopened" in acting.get(f"/incidents/{incident.pk}/activity").content.decode()


def test_else_it_sleeps_on(acting: Client, incident: Incident, responder: User, post_event: PostEvent) -> None:
    snooze(incident, responder, wakes_on_update=False)
    post_event(host="db-1", check="cpu")
    assert in_folder(acting, "snoozed") == ["db-1"]


def test_a_change_of_nothing_but_tags_wakes_nobody(
    acting: Client, incident: Incident, responder: User, post_event: PostEvent
) -> None:
    snooze(incident, responder)
    post_event(host="db-1", check="disk", status="warning", value="93 %")
    assert in_folder(acting, "snoozed") == ["db-1"]


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (timedelta(days=91), "A snooze can last 90 days at most."),
        (timedelta(minutes=-5), "This time has passed already."),
        (None, "Say until when."),
    ],
)
def test_a_snooze_that_cannot_be_is_refused_at_its_field(
    acting: Client, incident: Incident, until: timedelta | None, said: str
) -> None:
    text = (timezone.now() + until).strftime("%Y-%m-%dT%H:%M") if until else ""
    reply = acting.post(f"/incidents/{incident.pk}/snooze", {"length": "until", "until": text})
    assert said in reply.content.decode()
    assert not Incident.objects.snoozed()


def test_until_tomorrow_is_eight_in_the_morning_where_the_reader_is(
    acting: Client, incident: Incident, responder: User
) -> None:
    responder.time_zone = "Asia/Tokyo"
    responder.save()
    with time_machine.travel(datetime(2026, 3, 24, 20, 0, tzinfo=UTC)):  # 5:00 of the 25th in Tokyo
        acting.force_login(responder)
        acting.post(f"/incidents/{incident.pk}/snooze", {"length": "tomorrow"})
    incident.refresh_from_db()
    assert incident.snoozed_until == datetime(2026, 3, 25, 23, 0, tzinfo=UTC)


def test_who_has_seen_it_and_when_stands_beside_its_status(acting: Client, incident: Incident) -> None:
    acting.post(f"/incidents/{incident.pk}/acknowledge")
    shown = acting.get(f"/incidents/{incident.pk}").content.decode()
    assert "Acknowledged by rosa" in shown
    assert "Warning" in shown
    again = acting.post(f"/incidents/{incident.pk}/acknowledge", follow=True)
    assert "It is acknowledged already." in again.content.decode()


def test_an_acknowledgement_is_of_this_trouble_and_not_of_the_next(
    acting: Client, incident: Incident, responder: User, post_event: PostEvent
) -> None:
    actions.acknowledge(incident, by=responder)
    post_event(host="db-1", check="disk", status="ok")
    post_event(host="db-1", check="disk", status="critical")
    incident.refresh_from_db()
    assert incident.is_open
    assert incident.acknowledged_at is None
    assert "ended its acknowledgement" in acting.get(f"/incidents/{incident.pk}/activity").content.decode()


def test_oneself_comes_first_among_those_who_may_act(
    acting: Client, incident: Incident, admin: User, viewer: User
) -> None:
    reply = acting.get(f"/incidents/{incident.pk}/assign")
    assert [person.username for person in reply.context["form"].fields["to"].queryset] == ["rosa", "ada"]
    acting.post(f"/incidents/{incident.pk}/assign", {"to": admin.pk})
    assert "Assigned to ada by rosa" in acting.get(f"/incidents/{incident.pk}").content.decode()
    refused = acting.post(f"/incidents/{incident.pk}/assign", {"to": viewer.pk})
    assert "may not act" in refused.content.decode()


def test_undo_leaves_alone_what_somebody_changed_since(incident: Incident, responder: User, admin: User) -> None:
    mine = actions.assign(incident, to=responder, by=responder)
    actions.assign(incident, to=admin, by=admin)
    with pytest.raises(InvalidTransition, match="another owner since"):
        actions.undo(mine, by=responder)
    incident.refresh_from_db()
    assert incident.assignee == admin


def test_an_incident_opened_again_by_hand_fires_as_its_senders_said(
    acting: Client, incident: Incident, responder: User
) -> None:
    actions.resolve(incident, by=responder)
    acting.post(f"/incidents/{incident.pk}/reopen", {"comment": "not over"})
    incident.refresh_from_db()
    assert incident.is_open
    assert incident.active_count == 1


def test_where_nothing_fires_it_opens_too_and_the_next_ok_ends_it(
    incident: Incident, responder: User, post_event: PostEvent
) -> None:
    post_event(host="db-1", check="disk", status="ok")
    actions.reopen(incident, by=responder)
    assert Incident.objects.active().get().active_count == 0
    post_event(host="db-1", check="disk", status="ok", value="1 %")
    assert not Incident.objects.active()


def test_priorities_and_tags_are_shown_changed_and_removed(acting: Client, incident: Incident) -> None:
    cause = IncidentTag.objects.create(name="Cause", kind=IncidentTag.Kind.CLOSED_SINGLE, choices=["network", "power"])
    acting.post(f"/incidents/{incident.pk}/priority", {"priority": "1"})
    acting.post(f"/incidents/{incident.pk}/tag", {"tag": cause.pk, "values": "power"})
    shown = acting.get(f"/incidents/{incident.pk}").content.decode()
    assert "P1" in shown
    assert "Cause: power" in shown
    refused = acting.post(f"/incidents/{incident.pk}/tag", {"tag": cause.pk, "values": "ghosts"})
    assert "Cause is one of network, power; not ghosts." in refused.content.decode()
    acting.post(f"/incidents/{incident.pk}/tag", {"tag": cause.pk, "values": ""})
    acting.post(f"/incidents/{incident.pk}/priority", {"priority": ""})
    incident.refresh_from_db()
    assert incident.priority is None
    assert not incident.tag_values.exists()
    assert "removed Cause, which was power" in acting.get(f"/incidents/{incident.pk}/activity").content.decode()


def test_one_key_takes_back_what_one_did_last_and_then_what_one_did_before(
    acting: Client, incident: Incident, responder: User, admin: User
) -> None:
    actions.prioritise(incident, Priority.P3, by=responder)
    actions.acknowledge(incident, by=responder)
    actions.assign(incident, to=admin, by=admin)
    for _ in range(2):
        acting.post("/undo")
    incident.refresh_from_db()
    assert (incident.acknowledged_at, incident.priority, incident.assignee) == (None, None, admin)
    reply = acting.post("/undo", follow=True)
    assert "You have done nothing that can be undone." in reply.content.decode()


def test_a_toast_offers_undo(acting: Client, incident: Incident) -> None:
    shown = acting.post(f"/incidents/{incident.pk}/acknowledge", follow=True).content.decode()
    activity = Activity.objects.get(kind=Activity.Kind.ACKNOWLEDGED)
    assert f'name="activity" value="{activity.pk}"' in shown
    acting.post(f"/incidents/{incident.pk}/undo", {"activity": activity.pk})
    incident.refresh_from_db()
    assert incident.acknowledged_at is None
