"""Tests of the demo: the recorded day is well formed, tells its story, and plays through the real endpoint."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command

from alerts.events import Status
from alerts.models import Alert, Event
from alerts.sources import bigpanda
from appkeys.models import AppKey, OrgToken
from incidents.demo.credentials import Credentials, obtain
from incidents.demo.play import PlayStopped, Sender, play
from incidents.demo.record import SHOP_OUTAGE, Sending, read
from incidents.models import Incident

pytestmark = pytest.mark.any_database

SOURCES = {"Prometheus – Frankfurt", "Nagios on-prem", "Synthetic checks"}
REQUESTS, DUPLICATE_REQUESTS, EVENTS = len(DAY := list(read())), 23, 443
NOWHERE = "http://127.0.0.1:9"  # the discard port, where no program listens


def sent_alerts() -> Iterator[tuple[Sending, dict[str, Any]]]:
    return ((sending, alert) for sending in DAY for alert in sending.alerts)


def values(alert: dict[str, Any]) -> Iterator[str]:
    for value in alert.values():
        yield from map(str, value if isinstance(value, list) else [value])


def stories() -> list[list[dict[str, Any]]]:
    """Return the alert objects of each identity, in the order of sending."""
    found: dict[tuple[str, object], list[dict[str, Any]]] = defaultdict(list)
    now = datetime.now(UTC)
    for sending, alert in sent_alerts():
        event = bigpanda.normalize(alert | {"timestamp": now.timestamp()}, received_at=now)
        found[sending.source, event.identity(1)].append(alert)
    return list(found.values())


def any_story(holds: Callable[[list[dict[str, Any]]], bool]) -> bool:
    return any(map(holds, stories()))


# --- the recorded day


def test_the_record_is_small_enough_to_be_read() -> None:
    assert SHOP_OUTAGE.stat().st_size < 300_000
    assert sum(len(sending.alerts) for sending in DAY) == EVENTS


def test_every_line_is_a_chapter_or_a_request_and_nothing_else() -> None:
    for line in SHOP_OUTAGE.read_text(encoding="utf-8").splitlines():
        assert set(json.loads(line)) in ({"chapter"}, {"source", "send"})
    assert {sending.source for sending in DAY} == SOURCES
    assert all(sending.chapter for sending in DAY)


def test_every_alert_is_one_the_endpoint_takes_with_a_time_within_the_day() -> None:
    now = datetime.now(UTC)
    for _, alert in sent_alerts():
        assert -86_400 <= alert["timestamp"] <= 0
        assert "app_key" not in alert
        event = bigpanda.normalize(alert | {"timestamp": now.timestamp()}, received_at=now)
        assert {note.field for note in event.notes} <= {"labels"}


def test_every_address_lies_on_a_domain_that_exists_for_examples_only() -> None:
    addresses = [urlsplit(value) for _, alert in sent_alerts() for value in values(alert) if value.startswith("http")]
    assert len(addresses) > 100
    assert all((address.hostname or "").endswith(".example") for address in addresses)


def test_batches_and_singles_both_occur() -> None:
    assert Counter(sending.is_batch for sending in DAY).keys() == {True, False}


def test_requests_follow_the_day_except_for_repeats_and_what_was_spooled() -> None:
    times = [max(alert["timestamp"] for alert in sending.alerts) for sending in DAY]
    assert sum(later < earlier - 60 for earlier, later in pairwise(times)) <= 5


def test_an_alert_is_sent_twice_word_for_word() -> None:
    assert any_story(lambda story: any(one == two for one, two in pairwise(story)))


def test_an_alert_flaps() -> None:
    assert any_story(lambda story: sum(one["status"] != two["status"] for one, two in pairwise(story)) >= 8)


def test_an_event_comes_late() -> None:
    assert any_story(lambda story: any(two["timestamp"] < one["timestamp"] for one, two in pairwise(story)))


def test_an_alert_is_updated_without_a_change_of_status() -> None:
    def updates(one: dict[str, Any], two: dict[str, Any]) -> bool:
        return bool(one["status"] == two["status"] and one["description"] != two["description"])

    assert any_story(lambda story: any(updates(one, two) for one, two in pairwise(story)))


def test_an_object_reports_ok_first_and_never_anything_else() -> None:
    assert any_story(lambda story: {alert["status"] for alert in story} == {"ok"})


def test_every_status_is_sent() -> None:
    assert {alert["status"] for _, alert in sent_alerts()} == {"ok", "acknowledged", "unknown", "warning", "critical"}


@pytest.mark.parametrize(
    ("what", "is_one"),
    [
        ("list", lambda value: isinstance(value, list) and len(value) > 1),
        ("number", lambda value: isinstance(value, float)),
        ("nested object", lambda value: isinstance(value, dict)),
        ("markup", lambda value: "<script>" in str(value)),
        ("script address", lambda value: str(value).startswith("javascript:")),
        ("text beyond ASCII", lambda value: not str(value).isascii()),
        ("long text", lambda value: isinstance(value, str) and len(value) > 100),
    ],
)
def test_a_tag_of_every_awkward_kind_is_sent(what: str, is_one: Callable[[object], bool]) -> None:
    assert any(is_one(value) for _, alert in sent_alerts() for value in alert.values()), what


@pytest.mark.parametrize("field", ["primary_property", "secondary_property", "incident_identifier", "host", "service"])
def test_alerts_are_identified_in_every_way(field: str) -> None:
    assert any(field in alert for _, alert in sent_alerts())


# --- playing the day


def the_demo(url: str) -> tuple[str, str]:
    said, errors = StringIO(), StringIO()
    call_command("play_demo", url=url, stdout=said, stderr=errors)
    return said.getvalue(), errors.getvalue()


def play_morning(url: str, *, ends_at: int) -> Credentials:
    """Shorten the day to its first requests, because a whole day costs seconds."""
    credentials = obtain(sorted(SOURCES))
    with closing(Sender(url)) as sender:
        play(DAY[:30], sender, org_token=credentials.org_token, app_keys=credentials.app_keys, ends_at=ends_at)
    return credentials


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("starting_patterns")
def test_a_day_played_over_http_leaves_the_feed_that_the_story_ends_with(live_server: Any) -> None:
    said, progress = the_demo(live_server.url)

    assert f"Played {EVENTS} events" in said
    assert f"in {REQUESTS} requests and" in said
    assert f"Answers: {REQUESTS - DUPLICATE_REQUESTS} times 201" in said
    assert f"{DUPLICATE_REQUESTS} times 204 (duplicates), 0 others" in said
    assert live_server.url in said
    assert progress.count("\n") == len({sending.chapter for sending in DAY})
    assert Event.objects.count() == EVENTS - DUPLICATE_REQUESTS
    installed = {key.name for key in AppKey.objects.all() if key.status == AppKey.Status.INSTALLED}
    assert installed == {f"Demo: {source}" for source in SOURCES}

    # Every alert that ever was active is in an incident. The other alerts are in no incident.
    assert not Alert.objects.filter(incident=None).exclude(severity=Status.OK).exists()
    assert not Alert.objects.filter(severity=Status.OK).exclude(incident=None).exists()

    now_open = Incident.objects.active()
    assert 25 <= now_open.count() <= 40
    assert 60 <= Incident.objects.resolved().count() <= 100
    assert {incident.status for incident in now_open} == set(Status) - {Status.OK}

    outage = now_open.get(title="checkout-fra · HTTP 5xx rate")
    assert (outage.status, outage.active_count, outage.alerts_count) == (Status.CRITICAL, 3, 8)
    database = now_open.get(title="db-01.fra.shop.example")
    assert len(database.sources) == 2
    assert database.alerts_count >= 5

    # The spooled events of the temperature sensor came after its ok.
    temperature = Alert.objects.get(tags__host="temp-halle2.cgn.shop.example")
    assert (temperature.status, temperature.severity) == (Status.OK, Status.CRITICAL)
    assert not any("labels" in alert.tags for alert in Alert.objects.all())


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("starting_patterns")
def test_a_second_day_goes_on_with_the_same_integrations_and_alerts(live_server: Any) -> None:
    now = int(time.time())
    first = play_morning(live_server.url, ends_at=now - 3600)
    integrations = set(AppKey.objects.values_list("pk", "name"))
    alerts, events = Alert.objects.count(), Event.objects.count()
    second = play_morning(live_server.url, ends_at=now)

    assert (len(first.issued), len(first.renewed)) == (4, 0)
    assert (len(second.issued), len(second.renewed)) == (0, 4)
    assert set(AppKey.objects.values_list("pk", "name")) == integrations
    assert Alert.objects.count() == alerts
    assert Event.objects.count() == 2 * events


# --- a day that cannot be played


@pytest.mark.django_db
def test_a_console_that_is_not_there_is_one_clear_sentence_and_issues_nothing() -> None:
    with pytest.raises(CommandError, match=f"Nothing answers at {NOWHERE}.*Is the console up"):
        the_demo(NOWHERE)
    assert not OrgToken.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:8000", "http://127.0.0.1:port", ""])
def test_an_address_that_is_none_is_said(url: str) -> None:
    with pytest.raises(CommandError, match="no address of a console"):
        the_demo(url)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("starting_patterns")
def test_another_server_that_refuses_the_demo_is_one_clear_sentence_and_leaves_no_credentials(live_server: Any) -> None:
    with pytest.raises(CommandError, match="answered 404 to event 1"):
        the_demo(f"{live_server.url}/data/elsewhere")
    assert not OrgToken.objects.exists()
    assert not AppKey.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("starting_patterns")
def test_a_console_that_does_not_know_the_token_stops_the_play_at_once(live_server: Any) -> None:
    keys = dict.fromkeys(SOURCES, "f" * 32)
    with (
        closing(Sender(live_server.url)) as sender,
        pytest.raises(PlayStopped, match=r"401 to event 1.*another database"),
    ):
        play(DAY, sender, org_token="f" * 32, app_keys=keys, ends_at=int(time.time()))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("starting_patterns")
def test_an_integration_that_an_administrator_deactivated_stays_so(live_server: Any) -> None:
    app_key, _ = AppKey.issue(name="Demo: Nagios on-prem")
    app_key.deactivate()
    with pytest.raises(CommandError, match="'Demo: Nagios on-prem' was deactivated"):
        the_demo(live_server.url)
    assert [key.digest for key in AppKey.objects.all()] == [app_key.digest]
