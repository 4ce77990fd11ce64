"""The doctor of an integration: findings with fixes, samples without secrets, live tail, test alert and silence."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alerts import tasks
from alerts.health import inbox, self_alerts
from alerts.health.redaction import redacted
from alerts.models import Alert, Health, Refusal, TailLine, Traffic
from people.models import AuditEntry, User
from tests.conftest import PostEvent, Send

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


@pytest.fixture
def page(client: Client, app_key: Any) -> Any:
    return lambda query="": " ".join(client.get(f"/integrations/{app_key.pk}/doctor{query}").content.decode().split())


def test_before_the_first_event_the_page_says_what_to_do_and_afterwards_all_is_well(
    page: Any, post_event: PostEvent
) -> None:
    assert "Nothing was received yet" in page()
    post_event()
    assert "All is well" in page()
    assert "<td>1</td><td>0</td><td>0</td>" in page().replace("</td> <td>", "</td><td>")


def test_a_reject_is_shown_with_its_reason_and_a_sample_without_secrets(
    page: Any, post_event: PostEvent, app_key: Any
) -> None:
    post_event(status="on fire", password="hunter2", link="https://ada:geheim@example.com/?token=abc123")
    shown = page()
    assert "1 of 1 events in 24 hours were rejected" in shown
    assert "on fire" in shown
    for secret in (app_key.secret, "hunter2", "geheim", "abc123"):
        assert secret not in shown
    assert "[REDACTED]" in shown


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"Authorization": "Bearer abcdefgh12345", "x": 1}', '"[REDACTED]"'),
        (b'{"routing_key": "geheim", "n": [{"api-key": "geheim"}]}', '"[REDACTED]"'),
        (b"status=burning&access_token=geheim&host=a", "status=burning&access_token=[REDACTED]&host=a"),
        (b"https://ada:geheim@example.com/", "https://ada:[REDACTED]@example.com/"),
        (gzip.compress(b'{"password": "geheim"}'), '"[REDACTED]"'),
        (b"\x1f\x8bgeheim is no gzip: password=geheim", "password=[REDACTED]"),
        (b'{"text": "\\ud800\\u0000"}', "\ufffd"),
    ],
)
def test_a_sample_holds_no_secret_and_only_text(body: bytes, shown: str) -> None:
    sample = redacted(body)
    assert shown in sample
    assert "geheim" not in sample.replace("geheim is", "")
    assert "abcdefgh12345" not in sample
    sample.encode()


def test_samples_of_rejects_are_limited_in_number_size_and_age(
    post_event: PostEvent, app_key: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "REFUSALS_EVERY", timedelta(0))
    for number in range(inbox.REFUSALS_KEPT + 3):
        post_event(status=f"nonsense {number}", text="x" * 20_000)
    assert app_key.refusals.count() == inbox.REFUSALS_KEPT
    assert "nonsense 22" in app_key.refusals.first().sample
    assert len(app_key.refusals.first().sample) < 17_000
    Refusal.objects.update(at=timezone.now() - timedelta(days=8))
    assert tasks.forget_samples() == inbox.REFUSALS_KEPT
    assert not Refusal.objects.exists()


def test_of_many_rejects_at_once_only_a_sample_is_stored(post_event: PostEvent, app_key: Any) -> None:
    for number in range(5):
        post_event(status=f"nonsense {number}")
    assert app_key.refusals.count() == 1
    assert Traffic.objects.get().rejected == 5


def test_findings_name_duplicates_a_busy_hour_a_wrong_clock_cut_tags_and_many_tags(
    page: Any, post_event: PostEvent, app_key: Any
) -> None:
    post_event(
        timestamp=int(timezone.now().timestamp()) + 1200,
        **{f"tag_{n}": "v" for n in range(150)},
        description="x" * 3000,
    )
    app_key.traffic.update(accepted=400, duplicates=300)
    shown = page()
    for words in (
        "300 of 700 events in 24 hours were duplicates",
        "700 events in its busiest hour",
        "ahead of its receipt",
        "cut, dropped or repaired 2 times",
        "An event came with 152 tags",
    ):
        assert words in shown
    assert f'href="/alerts/{Alert.objects.get().pk}"' in shown


@pytest.mark.parametrize(
    ("events", "scale"), [(1, ["300", "400", "0"]), (900, ["300", "900", "0"]), (12_000, ["300", "12,000"])]
)
def test_the_labels_of_the_chart_do_not_overlap(
    page: Any, post_event: PostEvent, app_key: Any, events: int, scale: list[str]
) -> None:
    post_event(host="web-1")
    app_key.traffic.update(accepted=events)
    assert re.findall(r'text-anchor="end"[^>]*>([\d,]+)</text>', page()) == scale


def test_an_alert_without_an_end_is_a_finding_with_the_fix_of_its_tool(
    page: Any, post_event: PostEvent, app_key: Any
) -> None:
    app_key.tool = "prometheus"
    app_key.save()
    long_ago = (timezone.now() - timedelta(days=9)).timestamp()
    post_event(host="forgotten-1", timestamp=long_ago)
    post_event(host="ended-1", timestamp=long_ago)
    post_event(host="ended-1", timestamp=long_ago + 60, status="ok")
    post_event(host="still-told-1", timestamp=long_ago)
    post_event(host="still-told-1", status="warning")
    shown = page()
    assert "1 alert active for more than 3 days" in shown
    assert "forgotten-1" in shown
    assert "send_resolved: true" in shown


# --- the live tail


def test_requests_are_recorded_only_while_a_person_watches(
    client: Client, page: Any, post_event: PostEvent, app_key: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_event(host="before")
    assert "Watching. Nothing came in yet" in page("?tail")
    monkeypatch.setattr(inbox, "_watched_read_at", 0.0)
    post_event(host="web-7", api_key="geheim")
    post_event(status="nonsense")
    rows = client.get(f"/integrations/{app_key.pk}/doctor/tail").content.decode()
    assert "before" not in rows
    assert "geheim" not in rows
    assert ">201<" in rows
    assert ">400<" in rows
    assert f'href="/alerts/{Alert.objects.get(identifier="host=web-7").pk}"' in rows
    Health.objects.update(watched_until=timezone.now() - timedelta(seconds=1))
    monkeypatch.setattr(inbox, "_watched_read_at", 0.0)
    post_event(host="after")
    assert TailLine.objects.count() == 2


def test_the_tail_keeps_only_the_newest_requests(app_key: Any, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "TAIL_KEPT", 3)
    inbox.watch(app_key)
    for number in range(6):
        send(
            {"host": f"web-{number}", "state": "DOWN"} | {"host_name": f"web-{number}"},
            path=f"/oim/nagios/alerts?app_key={app_key.secret}",
        )
    assert [line.status for line in app_key.tail.all()] == [201] * 3
    assert "web-5" in app_key.tail.first().sample


# --- the test alert


def test_a_test_alert_is_resolved_after_its_minute(client: Client, page: Any, app_key: Any) -> None:
    client.post(f"/integrations/{app_key.pk}/doctor/test")
    alert = Alert.objects.get()
    assert (alert.primary_value, alert.secondary_value, alert.is_active) == ("Nagios", "Test alert", True)
    assert "The test alert runs" in page()
    assert "Nothing was received yet" in page(), "a test alert of the console is not sent by the tool"
    assert tasks.end_tests() == 0
    Health.objects.update(test_ends_at=timezone.now())
    assert tasks.end_tests() == 1
    alert.refresh_from_db()
    assert not alert.is_active
    assert tasks.end_tests() == 0


def test_a_deactivated_integration_sends_no_test_alert(client: Client, page: Any, app_key: Any) -> None:
    app_key.deactivate()
    client.post(f"/integrations/{app_key.pk}/doctor/test")
    assert "activate it first" in page()
    assert not Alert.objects.exists()


# --- silence


@pytest.fixture
def sent_hourly(app_key: Any, post_event: PostEvent) -> None:
    """Events came in each of ten hours, until five hours ago."""
    post_event()
    now = timezone.now()
    app_key.traffic.all().delete()
    for back in range(5, 15):
        hour = (now - timedelta(hours=back)).replace(minute=0, second=0, microsecond=0)
        app_key.traffic.create(hour=hour, accepted=3)
    Health.objects.update(last_event_at=now - timedelta(hours=5))


def quiet_alert() -> Alert:
    return Alert.objects.get(identifier=self_alerts.QUIET)


def test_a_silence_longer_than_usual_is_a_finding(page: Any, sent_hourly: None) -> None:
    assert "Silent for 5h; in the last two weeks it was never silent longer than 1h" in page()
    Health.objects.update(last_event_at=timezone.now() - timedelta(minutes=90))
    assert "Silent for" not in page()


def test_the_alarm_about_silence_is_optional_and_ends_with_the_next_event(
    client: Client, page: Any, sent_hourly: None, post_event: PostEvent, app_key: Any
) -> None:
    assert tasks.watch_silence() == 0
    client.post(f"/integrations/{app_key.pk}/doctor/quiet", {"wanted": "yes"})
    assert "Stop the alert when it goes quiet" in page()
    assert AuditEntry.objects.order_by("-pk")[0].changes[0]["propertyPath"] == "alarm_when_quiet"
    assert tasks.watch_silence() == 1
    assert quiet_alert().is_active
    assert tasks.watch_silence() == 0, "it is raised once"
    post_event(host="web-2")
    assert tasks.watch_silence() == 1
    assert not quiet_alert().is_active


def test_switching_the_alarm_off_ends_its_alert(client: Client, sent_hourly: None, app_key: Any) -> None:
    client.post(f"/integrations/{app_key.pk}/doctor/quiet", {"wanted": "yes"})
    tasks.watch_silence()
    client.post(f"/integrations/{app_key.pk}/doctor/quiet", {"wanted": "no"})
    assert not quiet_alert().is_active


def test_a_person_without_the_area_integrations_may_not_use_the_doctor(responder: User, app_key: Any) -> None:
    client = Client()
    client.force_login(responder)
    assert client.post(f"/integrations/{app_key.pk}/doctor/test").status_code == 403
    assert not Alert.objects.exists()
