"""Actions on one incident, and their undo."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from alerts.events import Status
from alerts.models import Alert
from incidents import actions
from incidents.actions import InvalidTransition
from incidents.models import Activity, Incident
from people.models import User
from tests.conftest import PostEvent

pytestmark = pytest.mark.django_db
NOW = int(time.time())


@pytest.fixture
def incident(post_event: PostEvent) -> Incident:
    """Return an incident with two alerts that have fired for ten minutes, and one alert that has ended."""
    for check in ("cpu", "disk", "swap"):
        post_event(check=check, timestamp=NOW - 600)
    post_event(check="swap", status="ok", timestamp=NOW - 300)
    return Incident.objects.get()


def statuses() -> dict[str, int]:
    return {str(alert.tags["check"]): alert.status for alert in Alert.objects.all()}


def test_resolving_ends_every_active_alert_and_says_how_many(incident: Incident, responder: User) -> None:
    activity = actions.resolve(incident, by=responder, comment="known trouble")
    incident.refresh_from_db()
    assert not incident.is_open
    assert set(statuses().values()) == {Status.OK}
    assert (activity.by, activity.comment, activity.details) == (responder, "known trouble", {"ended": 2})


def test_a_resolved_incident_cannot_be_resolved_again(incident: Incident, responder: User) -> None:
    actions.resolve(incident, by=responder)
    with pytest.raises(InvalidTransition, match="resolved already"):
        actions.resolve(incident, by=responder)


def test_undo_brings_back_what_was_firing_and_nothing_else(incident: Incident, responder: User) -> None:
    activity = actions.resolve(incident, by=responder)
    actions.undo(activity, by=responder)
    incident.refresh_from_db()
    assert incident.is_open
    assert incident.status_counts == [1, 0, 0, 0, 2]
    assert statuses() == {"cpu": Status.CRITICAL, "disk": Status.CRITICAL, "swap": Status.OK}
    with pytest.raises(InvalidTransition, match="undone already"):
        actions.undo(activity, by=responder)


def test_a_newer_event_reopens_a_manually_resolved_incident(
    incident: Incident, responder: User, post_event: PostEvent
) -> None:
    actions.resolve(incident, by=responder)
    post_event(check="cpu", timestamp=int(time.time()) + 1)
    incident.refresh_from_db()
    assert incident.is_open
    assert incident.active_count == 1


def test_the_same_event_without_a_time_reopens_too_since_it_says_the_trouble_is_still_there(
    post_event: PostEvent, responder: User
) -> None:
    post_event(check="cpu")
    actions.resolve(Incident.objects.get(), by=responder)
    assert post_event(check="cpu").status_code == 201
    assert Incident.objects.get().is_open


def test_an_event_older_than_the_manual_resolve_does_not_reopen(
    incident: Incident, responder: User, post_event: PostEvent
) -> None:
    actions.resolve(incident, by=responder)
    assert post_event(check="cpu", status="warning", timestamp=NOW - 100).status_code == 201
    incident.refresh_from_db()
    assert not incident.is_open


@pytest.mark.parametrize(("microseconds", "is_open"), [(-1, False), (0, True)])
def test_an_event_of_the_very_moment_of_a_manual_resolve_reopens_since_it_was_stored_later(
    microseconds: int, is_open: bool, incident: Incident, responder: User, post_event: PostEvent
) -> None:
    moment = timezone.now()
    with time_machine.travel(moment, tick=False):
        actions.resolve(incident, by=responder)
        at = moment + timedelta(microseconds=microseconds)
        assert post_event(check="cpu", status="warning", timestamp=at.isoformat()).status_code == 201
    incident.refresh_from_db()
    assert incident.is_open == is_open


def test_undo_counts_what_senders_said_while_it_was_resolved(
    incident: Incident, responder: User, post_event: PostEvent
) -> None:
    activity = actions.resolve(incident, by=responder)
    post_event(check="cpu", status="ok", timestamp=int(time.time()) + 1)
    actions.undo(activity, by=responder)
    assert statuses() == {"cpu": Status.OK, "disk": Status.CRITICAL, "swap": Status.OK}


def test_an_older_ok_that_comes_after_the_undo_still_counts(
    incident: Incident, responder: User, post_event: PostEvent
) -> None:
    activity = actions.resolve(incident, by=responder)
    actions.undo(activity, by=responder)
    post_event(check="cpu", status="ok", timestamp=NOW - 60)
    assert statuses()["cpu"] == Status.OK


def test_a_reopened_incident_has_nothing_to_undo(incident: Incident, responder: User, post_event: PostEvent) -> None:
    activity = actions.resolve(incident, by=responder)
    post_event(check="cpu", timestamp=int(time.time()) + 1)
    with pytest.raises(InvalidTransition, match="reopened"):
        actions.undo(activity, by=responder)


def test_a_resolve_by_the_alerts_themselves_cannot_be_undone_through_an_older_one(
    incident: Incident, responder: User, post_event: PostEvent
) -> None:
    activity = actions.resolve(incident, by=responder)
    for status, ahead in (("critical", 1), ("ok", 2)):
        post_event(check="cpu", status=status, timestamp=int(time.time()) + ahead)
    assert not Incident.objects.get().is_open
    with pytest.raises(InvalidTransition, match="reopened"):
        actions.undo(activity, by=responder)


def test_after_undo_new_alerts_join_again(incident: Incident, responder: User, post_event: PostEvent) -> None:
    actions.undo(actions.resolve(incident, by=responder), by=responder)
    post_event(check="fan", timestamp=NOW - 60)
    assert Incident.objects.get().alerts_count == 4


def test_an_alert_that_fires_again_before_correlation_saw_it_is_ended_with_the_others(
    incident: Incident, responder: User
) -> None:
    Alert.objects.update(correlated_revision=0)
    actions.resolve(incident, by=responder)
    assert Alert.objects.filter(incident=incident).count() == 3
    assert not any(alert.is_active for alert in Alert.objects.all())


def test_owner_and_comments_are_activities(incident: Incident, responder: User) -> None:
    actions.assign(incident, to=responder, by=responder)
    actions.comment(incident, by=responder, text="looking")
    with pytest.raises(InvalidTransition, match="already"):
        actions.assign(incident, to=responder, by=responder)
    assert Incident.objects.unhandled().count() == 0
    actions.unassign(incident, by=responder)
    kinds = [activity.kind for activity in incident.activities.all()][:3]
    assert kinds == [Activity.Kind.UNASSIGNED, Activity.Kind.COMMENTED, Activity.Kind.ASSIGNED]
    assert Incident.objects.get().comments_count == 1
