"""Incidents that the console opens about itself, with CONSOLE_SELF_INCIDENTS, when something in it does not work."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as console
from django.db import connection
from django.test import Client
from django.utils import timezone

from alerts.events import Status
from alerts.models import Alert, Event
from appkeys.models import AppKey
from bigpanda_site import self_incidents
from bigpanda_site.self_incidents import Watch
from incidents.correlation import backlog
from incidents.correlation.worker import correlate_behind
from people.models import User
from telemetry import counts
from telemetry.models import Gauge
from tests.conftest import PostEvent

LOOPS = ("beat", "correlation", "actions", "jobs")


@pytest.fixture(autouse=True)
def _all_loops_run(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_known", None)  # what another test saw
    for name in LOOPS:
        monkeypatch.setitem(counts._ticks, name, time.time() + 3600)  # however slow the machine is


@pytest.fixture
def ada(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def beat_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(counts._ticks, "beat", time.time() - 61)


def look_twice() -> Watch:
    """Return the watch of a web process that has looked twice."""
    watch = Watch()
    watch.look()
    watch.look()
    return watch


def own_alerts() -> dict[str, str]:
    """Return the status of each alert about the console, by its fault."""
    alerts = Alert.objects.filter(app_key__tool=AppKey.THIS_CONSOLE)
    return {str(alert.tags["fault"]): Status(alert.status).label for alert in alerts}


def text_of(page: bytes) -> str:
    return " ".join(page.decode().split())


def test_correlation_that_was_behind_is_an_incident_as_soon_as_it_runs_again(
    ada: Client, post_event: PostEvent
) -> None:
    post_event(host="db-1")
    Alert.objects.update(correlated_revision=0)
    Event.objects.update(received_at=Event.objects.get().received_at - timedelta(seconds=90))
    watch = look_twice()  # no worker is needed
    assert own_alerts() == {"Correlation is behind": "critical"}
    assert "Correlation is behind</a>" not in ada.get("/").content.decode()
    correlate_behind()
    alert = Alert.objects.get(app_key__tool=AppKey.THIS_CONSOLE)
    assert alert.incident_id
    shown = text_of(ada.get(f"/incidents/{alert.incident_id}").content)
    assert "Correlation is behind" in shown
    assert "New alerts are stored and nothing is lost" in shown
    assert "/readyz" in shown
    watch.look()
    assert own_alerts() == {"Correlation is behind": "ok"}
    correlate_behind()
    alert.refresh_from_db()
    assert alert.incident
    assert alert.incident.resolved_at


def test_an_incident_is_resolved_at_once_if_all_was_over_before_correlation_ran_again(
    post_event: PostEvent, beat_stands_still: None
) -> None:
    watch = look_twice()
    counts.tick("beat")
    watch.look()
    correlate_behind()
    alert = Alert.objects.get()
    assert alert.incident
    assert alert.incident.resolved_at


@pytest.mark.parametrize("loop", LOOPS if console.REDIS_URL else ["beat"])
def test_each_loop_that_stands_still_is_an_alert_that_says_what_to_do(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(counts._ticks, loop, time.time() - 61)
    watch = look_twice()
    (alert,) = Alert.objects.all()
    assert (alert.primary_property, alert.status) == ("fault", Status.CRITICAL)
    assert "It last ran at" in alert.tags["description"]
    assert "again. Its log says why" in alert.tags["description"]
    counts.tick(loop)
    watch.look()
    assert list(own_alerts().values()) == ["ok"]


def test_a_fault_that_only_one_look_finds_is_no_incident(beat_stands_still: None) -> None:
    watch = Watch()
    watch.look()
    counts.tick("beat")
    watch.look()
    assert own_alerts() == {}


def test_a_fault_is_told_once_however_many_processes_look(beat_stands_still: None) -> None:
    look_twice().look()
    look_twice()
    assert own_alerts() == {"Beat does not run": "critical"}
    assert Event.objects.count() == 1


def test_of_several_processes_the_first_that_is_alive_tells(beat_stands_still: None) -> None:
    other = Gauge.objects.create(name="process", process="process@0:0", value=0, at=timezone.now() + timedelta(hours=1))
    watch = look_twice()
    assert own_alerts() == {}
    Gauge.objects.filter(pk=other.pk).update(at=timezone.now() - timedelta(seconds=61))
    watch.look()
    assert own_alerts() == {"Beat does not run": "critical"}


def test_a_fault_that_stays_reopens_an_incident_that_was_resolved_by_hand(ada: Client, beat_stands_still: None) -> None:
    watch = look_twice()
    correlate_behind()
    incident = Alert.objects.get().incident
    assert incident
    ada.post(f"/incidents/{incident.pk}/resolve")
    incident.refresh_from_db()
    assert incident.resolved_at
    watch.look()
    correlate_behind()
    incident.refresh_from_db()
    assert not incident.resolved_at


def test_a_database_that_cannot_be_written_ends_and_begins_nothing(beat_stands_still: None) -> None:
    watch = look_twice()
    counts.tick("beat")
    with connection.cursor() as cursor:
        switch = "SET TRANSACTION READ ONLY" if connection.vendor == "postgresql" else "PRAGMA query_only = ON"
        cursor.execute(switch)
        watch.look()
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA query_only = OFF")
    assert own_alerts() == {"Beat does not run": "critical"}


def test_its_integration_is_made_once_and_cannot_be_deleted(ada: Client, beat_stands_still: None) -> None:
    look_twice()
    app_key = AppKey.objects.get()
    assert app_key.name == "This console"
    page = text_of(ada.get(f"/integrations/{app_key.pk}").content)
    assert "The console sends alerts about itself" in page
    assert f"/integrations/{app_key.pk}/delete" not in page
    refused = ada.post(f"/integrations/{app_key.pk}/delete", follow=True)
    assert "Deactivate it instead" in text_of(refused.content)
    ada.post(f"/integrations/{app_key.pk}/rename", {"name": "Console itself"})
    look_twice()
    assert [key.name for key in AppKey.objects.present()] == ["Console itself"]


def test_a_deactivated_integration_sends_nothing(ada: Client, beat_stands_still: None) -> None:
    Watch().look()
    ada.post(f"/integrations/{AppKey.objects.get().pk}/deactivate")
    look_twice()
    assert own_alerts() == {}


def test_another_integration_of_that_name_is_named_in_the_log(
    app_key: AppKey, admin: User, caplog: pytest.LogCaptureFixture
) -> None:
    app_key.rename("this console", by=admin)
    watch = look_twice()
    assert not watch.look()
    told = [record.getMessage() for record in caplog.records]
    assert sum("Rename the integration" in line for line in told) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("beat_stands_still")
def test_the_web_process_looks_by_itself_only_where_the_setting_asks_for_it(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_incidents, "START_SECONDS", 0)
    monkeypatch.setattr(self_incidents, "EVERY_SECONDS", 0.02)

    def has_sent() -> bool:
        try:
            return bool(own_alerts())
        finally:
            connection.close()  # of this thread

    async def web_process() -> None:
        watching = asyncio.create_task(self_incidents.watch())
        until = time.monotonic() + 120
        while not watching.done() and time.monotonic() < until:
            if await asyncio.to_thread(has_sent):
                break
            await asyncio.sleep(0.05)
        watching.cancel()

    asyncio.run(web_process())
    assert not AppKey.objects.exists()
    settings.SELF_INCIDENTS = True
    asyncio.run(web_process())
    assert own_alerts() == {"Beat does not run": "critical"}
