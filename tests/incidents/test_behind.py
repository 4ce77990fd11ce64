"""Every page says when correlation is behind, and no longer once it has caught up."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.test import Client

from alerts.models import Alert, Event
from incidents.correlation.worker import correlate_behind
from incidents.models import Wallboard
from people.models import User
from telemetry import counts
from tests.conftest import PostEvent

PAGES = ["/", "/me", "/patterns", "/integrations/", "/people"]


@pytest.fixture
def ada(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def waiting(post_event: PostEvent) -> Alert:
    """Return an alert that correlation has not seen for 90 seconds."""
    post_event(host="db-1")
    alert = Alert.objects.get()
    Alert.objects.update(correlated_revision=0)
    Event.objects.update(received_at=Event.objects.get().received_at - timedelta(seconds=90))
    return alert


def text_of(page: bytes) -> str:
    return " ".join(page.decode().split())


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_that_correlation_is_behind_until_it_has_caught_up(
    ada: Client, waiting: Alert, path: str
) -> None:
    shown = text_of(ada.get(path).content)
    assert "Correlation is behind since <time" in shown
    assert "1 alert waits.</strong> New alerts are stored and nothing is lost" in shown
    correlate_behind()
    assert "Correlation is behind" not in ada.get(path).content.decode()


def test_the_bar_says_whether_correlation_runs(ada: Client, waiting: Alert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(counts._ticks, "correlation", time.time() - 3600)
    ada.get("/metrics")  # publishes
    shown = text_of(ada.get("/live/behind").content)
    assert "Correlation does not run since <time" in shown
    assert 'href="/readyz"' in shown
    counts.tick("correlation")
    ada.get("/metrics")
    assert "Correlation runs and catches up" in text_of(ada.get("/live/behind").content)


def test_an_alert_that_waits_for_less_than_half_a_minute_is_no_reason(ada: Client, post_event: PostEvent) -> None:
    post_event(host="db-1")
    Alert.objects.update(correlated_revision=0)
    assert ada.get("/live/behind").content.strip() == b""


def test_a_change_of_an_alert_that_correlation_knows_can_wait_too_long(ada: Client, post_event: PostEvent) -> None:
    post_event(host="db-1")
    Event.objects.update(received_at=Event.objects.get().received_at - timedelta(hours=5))
    assert ada.get("/live/behind").content.strip() == b""
    post_event(host="db-1", status="warning")
    Alert.objects.update(correlated_revision=1)
    assert ada.get("/live/behind").content.strip() == b""  # the event that waits is new
    newest = Event.objects.order_by("-pk").first()
    assert newest
    Event.objects.filter(pk=newest.pk).update(received_at=newest.received_at - timedelta(seconds=40))
    assert b"Correlation is behind" in ada.get("/live/behind").content


def test_a_wallboard_says_it_too_without_a_number(ada: Client, waiting: Alert) -> None:
    _, secret = Wallboard.issue(name="Left screen", environment=None, sound=True, flash=True, by=User.objects.get())
    screen = Client()
    for address in (f"/wall/{secret}", f"/wall/{secret}?part"):
        shown = text_of(screen.get(address).content)
        assert 'class="wall-behind" role="alert"' in shown
        assert "Newer alerts are not shown" in shown
    correlate_behind()
    assert "Correlation is behind" not in screen.get(f"/wall/{secret}?part").content.decode()


def test_nobody_learns_of_it_without_a_session(client: Client, waiting: Alert) -> None:
    assert client.get("/live/behind").status_code == 302
    assert "Correlation is behind" not in client.get("/login").content.decode()
