"""Tests of alerts in maintenance (docs/wire-contract.md §6.2, docs/how-it-works.md §4.5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from alerts.events import Status
from alerts.models import Alert
from incidents import actions
from incidents.feed.folders import Folder
from incidents.feed.live_view import LiveView, Round
from incidents.models import Activity, Incident, Maintenance, MaintenancePlan
from people.models import User
from tests.conftest import PostEvent
from tests.incidents.streams import differences, install_patterns, live, replayed
from tests.incidents.test_patterns_api import Script


@pytest.fixture
def rosa(client: Client, responder: User) -> Client:
    """Return the browser of a responder."""
    client.force_login(responder)
    return client


def plan(condition: str, *, starts: int = -1, ends: int = 60, **fields: Any) -> MaintenancePlan:
    """Create a plan that starts and ends so many minutes from now. Negative minutes are in the past."""
    now = timezone.now().replace(microsecond=0)
    times = {"starts_at": now + timedelta(minutes=starts), "ends_at": now + timedelta(minutes=ends)}
    return MaintenancePlan.objects.create(**{"name": "Upgrade", "condition": condition, **times, **fields})


def end(plan: MaintenancePlan) -> None:
    plan.ends_at = timezone.now()
    plan.save()


def folders(incident: Incident) -> list[str]:
    """Return the folders with an incident."""
    return [folder.value for folder in Folder if folder.of(Incident.objects.filter(pk=incident.pk)).exists()]


def the_incident() -> Incident:
    (incident,) = Incident.objects.filter(merged_into=None)
    return incident


def test_an_expected_alert_is_correlated_and_its_incident_is_in_the_folder_maintenance(
    db: None, post_event: PostEvent
) -> None:
    install_patterns()
    made = plan("host = web-1")
    post_event(host="web-1", check="cpu")
    post_event(host="web-1", check="disk", status="warning")
    incident = the_incident()
    assert (incident.alerts_count, incident.active_count) == (2, 2)
    assert (incident.status, incident.severity, incident.maintenance) == (Status.OK, Status.OK, Maintenance.ACTIVE)
    assert folders(incident) == ["maintenance"]
    assert incident.is_open
    assert set(Alert.objects.values_list("maintenance_plan", flat=True)) == {made.pk}


def test_alerts_that_no_plan_expects_decide_the_status_and_the_folder(db: None, post_event: PostEvent) -> None:
    install_patterns()
    plan("check = cpu")
    post_event(host="web-1", check="disk", status="warning")
    before = the_incident().changed_at
    post_event(host="web-1", check="cpu", status="critical")
    incident = the_incident()
    assert (incident.status, incident.severity, incident.maintenance) == (
        Status.WARNING,
        Status.WARNING,
        Maintenance.PARTIAL,
    )
    assert incident.changed_at == before
    assert incident.status_counts == [0, 0, 0, 1, 1]
    assert folders(incident) == ["active", "unhandled"]
    post_event(host="web-1", check="disk", status="ok")
    assert folders(the_incident()) == ["maintenance"]
    assert the_incident().is_open
    post_event(host="web-1", check="cpu", status="ok")
    assert folders(the_incident()) == ["resolved"]


@pytest.mark.parametrize(
    "fields", [{"starts": 5}, {"ends": 0}, {"condition": "host = web-2"}, {"deleted_at": timezone.now()}]
)
def test_a_plan_expects_only_alerts_that_match_while_it_runs(
    db: None, post_event: PostEvent, fields: dict[str, Any]
) -> None:
    plan(**{"condition": "host = web-1", **fields})
    post_event(host="web-1")
    assert folders(the_incident()) == ["active", "unhandled"]


@pytest.mark.parametrize(("seconds", "is_expected"), [(-1, False), (0, True), (59, True), (60, False)])
def test_a_plan_expects_alerts_from_its_first_moment_until_just_before_its_end(
    db: None, post_event: PostEvent, seconds: int, is_expected: bool
) -> None:
    starts = timezone.now().replace(microsecond=0) + timedelta(minutes=5)
    plan("host = web-1", starts_at=starts, ends_at=starts + timedelta(seconds=60))
    with time_machine.travel(starts + timedelta(seconds=seconds), tick=False):
        post_event(host="web-1")
    assert ("maintenance" in folders(the_incident())) == is_expected


@pytest.mark.parametrize("status", ["acknowledged", "unknown", "warning", "critical"])
def test_an_incident_is_in_maintenance_whatever_its_active_status(db: None, post_event: PostEvent, status: str) -> None:
    plan("host = web-1")
    post_event(host="web-1", status=status)
    assert the_incident().maintenance == Maintenance.ACTIVE
    post_event(host="web-1", check="disk", status="ok")
    assert the_incident().maintenance == Maintenance.ACTIVE


def test_an_earlier_alert_is_in_maintenance_after_its_next_update(db: None, post_event: PostEvent) -> None:
    post_event(host="web-1")
    plan("host = web-1")
    assert folders(the_incident()) == ["active", "unhandled"]
    post_event(host="web-1", description="still")
    assert folders(the_incident()) == ["maintenance"]


def test_after_a_plan_an_alert_stays_in_maintenance_until_an_active_update(db: None, post_event: PostEvent) -> None:
    made = plan("host = web-1")
    post_event(host="web-1")
    end(made)
    assert folders(the_incident()) == ["maintenance"]
    post_event(host="web-1", description="still")
    incident = the_incident()
    assert (incident.status, incident.severity, incident.maintenance) == (
        Status.CRITICAL,
        Status.CRITICAL,
        Maintenance.NONE,
    )
    assert folders(incident) == ["active", "unhandled"]
    assert Alert.objects.get().maintenance_plan is None


def test_an_alert_that_ends_after_its_plan_ends_the_incident(db: None, post_event: PostEvent) -> None:
    made = plan("host = web-1")
    post_event(host="web-1")
    end(made)
    post_event(host="web-1", status="ok")
    assert folders(the_incident()) == ["resolved"]
    post_event(host="web-1")
    assert folders(the_incident()) == ["active", "unhandled"]


def test_of_two_plans_the_one_that_ends_last_counts(db: None, post_event: PostEvent) -> None:
    plan("host = web-1", ends=10)
    longer = plan("host = web-*", ends=20)
    plan("host = web-1", ends=15)
    post_event(host="web-1")
    assert Alert.objects.get().maintenance_plan == longer


def test_an_expected_alert_does_not_end_a_snooze_that_lasts_until_an_update(
    db: None, post_event: PostEvent, responder: User
) -> None:
    install_patterns()
    post_event(host="web-1", check="cpu")
    actions.snooze(
        the_incident(), until=timezone.now() + timedelta(hours=1), by=responder, wakes_on_update=True, comment=""
    )
    plan("check = disk")
    post_event(host="web-1", check="disk")
    assert folders(the_incident()) == ["snoozed"]
    post_event(host="web-1", check="load")
    assert folders(the_incident()) == ["active", "unhandled"]


def test_an_alert_that_flaps_in_maintenance_does_not_make_its_incident_flap(db: None, post_event: PostEvent) -> None:
    plan("host = web-1")
    for number in range(8):
        post_event(host="web-1", status=("critical", "ok")[number % 2], n=number)
    assert not the_incident().flapping
    assert not Activity.objects.filter(kind=Activity.Kind.BEGAN_TO_FLAP).exists()


def test_actions_leave_alerts_in_maintenance(db: None, post_event: PostEvent, responder: User) -> None:
    install_patterns()
    plan("check = cpu")
    post_event(host="web-1", check="cpu")
    post_event(host="web-1", check="disk")
    resolved = actions.resolve(the_incident(), by=responder)
    assert the_incident().maintenance == Maintenance.NONE
    actions.undo(resolved, by=responder)
    assert (the_incident().status, the_incident().maintenance) == (Status.CRITICAL, Maintenance.PARTIAL)
    cpu = Alert.objects.get(secondary_property="check", tags__check="cpu")
    split = actions.split(the_incident(), [cpu.pk], by=responder)
    off, left = Incident.objects.order_by("-pk")
    assert (folders(off), folders(left)) == (["maintenance"], ["active", "unhandled"])
    actions.undo(split, by=responder)
    assert the_incident().maintenance == Maintenance.PARTIAL
    assert differences(replayed(), live()) == []


def test_the_sidebar_counts_the_folder(rosa: Client, post_event: PostEvent) -> None:
    plan("host = web-1")
    post_event(host="web-1")
    post_event(host="web-2")
    shown = {each.folder: each.count for each in rosa.get("/").context["sidebar"].everything.folders}
    assert (shown[Folder.ACTIVE], shown[Folder.UNHANDLED], shown[Folder.MAINTENANCE]) == ("1", "1", "1")
    assert [row.title for row in rosa.get("/?folder=maintenance").context["page"].rows] == ["web-1"]
    assert [row.title for row in rosa.get("/").context["page"].rows] == ["web-2"]


def test_pages_name_the_plan_and_its_end(rosa: Client, post_event: PostEvent) -> None:
    install_patterns()
    made = plan("check = cpu", name="Kernel <b>upgrade</b>")
    post_event(host="web-1", check="cpu")
    post_event(host="web-1", check="disk")
    row = rosa.get("/").content.decode()
    assert "In maintenance: some of its active alerts" in row
    incident, alert = the_incident(), Alert.objects.get(maintenance_plan=made)
    for path in (f"/incidents/{incident.pk}", f"/incidents/{incident.pk}/alerts", f"/alerts/{alert.pk}"):
        shown = rosa.get(path).content.decode()
        assert "Kernel &lt;b&gt;upgrade&lt;/b&gt; until" in shown, path
    assert "1 of 2 active in maintenance" in rosa.get(f"/incidents/{incident.pk}").content.decode()
    end(made)
    assert "until the next update" in rosa.get(f"/incidents/{incident.pk}").content.decode()


def test_the_feed_says_where_a_row_went(rosa: Client, responder: User, post_event: PostEvent) -> None:
    post_event(host="web-1")
    view = LiveView("", responder)
    view.refresh(Round())
    plan("host = web-1")
    post_event(host="web-1", description="still")
    (gone,) = view.refresh(Round())["gone"].values()
    assert "in maintenance" in gone


def test_an_empty_folder_says_what_it_is_for(rosa: Client, post_event: PostEvent) -> None:
    post_event(host="web-1")
    assert "Nothing is in maintenance" in rosa.get("/?folder=maintenance").content.decode()


def test_the_api_shows_maintenance(post_event: PostEvent, admin: User) -> None:
    install_patterns()
    script = Script(admin)
    made = plan("check = cpu")

    def told(folder: str) -> list[tuple[str, str | None, list[str]]]:
        found = script("GET", f"/resources/v2.0/environments/all/incidents?folder={folder}").json()
        return [(each["status"], each["maintenance"], each["folders"]) for each in found["items"]]

    post_event(host="web-1", check="cpu")
    assert told("maintenance") == [("Ok", "active", ["maintenance"])]
    assert told("active") == []
    post_event(host="web-1", check="disk")
    assert told("active") == [("Critical", "partial", ["active", "unhandled"])]
    end(made)
    post_event(host="web-1", check="cpu", description="still")
    assert told("active") == [("Critical", None, ["active", "unhandled"])]
