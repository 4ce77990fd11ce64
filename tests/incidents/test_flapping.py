"""Tests of flapping: an incident flaps while the status of one of its alerts changes too often.

The rules are in docs/wire-contract.md §3.7.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from incidents import actions
from incidents.correlation import tasks
from incidents.models import Activity, Incident
from people.models import User
from tests.conftest import PostEvent

pytestmark = pytest.mark.django_db


def change(post_event: PostEvent, times: int, *, apart: int = 60) -> None:
    """Open an alert and change its status, `apart` seconds between two changes, the last time now."""
    now = int(time.time())
    for number in range(times + 1):
        post_event(status=("critical", "warning")[number % 2], timestamp=now - apart * (times - number))


def kinds() -> list[str]:
    flapping = (Activity.Kind.BEGAN_TO_FLAP, Activity.Kind.STOPPED_FLAPPING)
    return list(Activity.objects.filter(kind__in=flapping).order_by("pk").values_list("kind", flat=True))


def test_five_changes_in_an_hour_are_flapping_and_four_are_not(post_event: PostEvent) -> None:
    change(post_event, 4)
    assert not Incident.objects.get().flapping
    post_event(status="ok")
    incident = Incident.objects.get()
    assert (incident.flapping, incident.flapping_changes) == (True, 5)
    assert kinds() == ["incident_become_flapping"]


def test_changes_that_are_further_apart_are_no_flapping(post_event: PostEvent) -> None:
    change(post_event, 8, apart=1000)
    assert not Incident.objects.get().flapping


def test_a_backlog_of_yesterday_does_not_flap_today(post_event: PostEvent) -> None:
    yesterday = int(time.time()) - 86400
    for number in range(9):
        post_event(status=("critical", "warning")[number % 2], timestamp=yesterday + number)
    assert not Incident.objects.get().flapping


def test_number_of_changes_and_time_are_settings(post_event: PostEvent, settings: Any) -> None:
    settings.FLAPPING_CHANGES, settings.FLAPPING_WINDOW = 1, timedelta(minutes=5)
    change(post_event, 2, apart=400)
    assert not Incident.objects.get().flapping
    post_event(status="warning")
    assert Incident.objects.get().flapping


def test_flapping_ends_by_itself_and_records_the_time(post_event: PostEvent) -> None:
    change(post_event, 6)
    until = Incident.objects.get().flapping_until
    assert until
    assert tasks.end_flapping() == 0
    with time_machine.travel(timezone.now() + timedelta(hours=1), tick=False):
        assert tasks.end_flapping() == 1
    incident = Incident.objects.get()
    assert (incident.flapping, incident.flapping_until, incident.flapping_changes) == (False, None, 0)
    assert kinds() == ["incident_become_flapping", "incident_stopped_flapping"]
    assert Activity.objects.get(kind=Activity.Kind.STOPPED_FLAPPING).at == until


def test_flapping_moves_with_the_alert_that_flaps(post_event: PostEvent, responder: User) -> None:
    change(post_event, 6)
    flapping = Incident.objects.get()
    post_event(host="calm-1", check="load")
    calm = Incident.objects.exclude(pk=flapping.pk).get()
    actions.merge(calm, [flapping], by=responder)
    calm.refresh_from_db()
    assert (calm.flapping, calm.flapping_changes) == (True, 6)

    actions.split(calm, [flapping.first_alert or 0], by=responder)
    new = Incident.objects.latest("pk")
    calm.refresh_from_db()
    assert (new.flapping, new.flapping_changes) == (True, 6)
    assert (calm.flapping, calm.flapping_changes, calm.flapping_until) == (False, 0, None)
    told = Activity.objects.filter(incident=calm, kind__icontains="flapping").order_by("pk")
    assert [activity.kind for activity in told] == ["incident_become_flapping", "incident_stopped_flapping"]


def test_flapping_ends_at_the_moment_that_was_said_and_not_before(post_event: PostEvent) -> None:
    change(post_event, 6)
    until = Incident.objects.get().flapping_until
    assert until
    with time_machine.travel(until - timedelta(microseconds=1), tick=False):
        assert tasks.end_flapping() == 0
    with time_machine.travel(until, tick=False):
        assert tasks.end_flapping() == 1
