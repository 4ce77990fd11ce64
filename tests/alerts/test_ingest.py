"""Events and their alerts: identity, duplicates, order and reopening (docs/how-it-works.md §2)."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from alerts.events import Status
from alerts.models import Alert, Event
from appkeys.models import AppKey
from tests.conftest import PostBatch, PostEvent, Send

pytestmark = pytest.mark.django_db
NOW = int(time.time())


def the_alert() -> Alert:
    return Alert.objects.get()


def test_an_event_makes_an_alert_with_its_fields_as_tags(post_event: PostEvent) -> None:
    assert post_event(host="web-1", check="cpu", cluster="shop", load=7, busy=True).status_code == 201
    alert = the_alert()
    assert (alert.status, alert.identifier) == (Status.CRITICAL, "host=web-1 check=cpu")
    assert alert.tags == {"host": "web-1", "check": "cpu", "cluster": "shop", "load": "7", "busy": "true"}


def test_the_same_event_again_is_a_duplicate_and_writes_nothing(post_event: PostEvent) -> None:
    post_event(check="cpu")
    reply = post_event(check="cpu")
    assert (reply.status_code, reply.content) == (204, b"")
    assert Event.objects.count() == 1


def test_the_same_event_with_another_time_is_no_duplicate(post_event: PostEvent) -> None:
    post_event(timestamp=NOW - 60)
    assert post_event(timestamp=NOW).status_code == 201
    assert Event.objects.count() == 2


def test_an_older_stored_event_sent_again_is_a_duplicate(post_event: PostEvent) -> None:
    post_event(status="critical", timestamp=NOW - 60)
    post_event(status="ok", timestamp=NOW)
    assert post_event(status="critical", timestamp=NOW - 60).status_code == 204


def test_without_times_critical_ok_critical_is_accepted_each_time(post_event: PostEvent) -> None:
    assert [post_event(status=status).status_code for status in ("critical", "ok", "critical", "critical")] == [
        201,
        201,
        201,
        204,
    ]
    assert the_alert().status == Status.CRITICAL


def test_an_event_of_another_app_key_is_another_alert(post_event: PostEvent, send: Send) -> None:
    _, other = AppKey.issue(name="Zabbix")
    post_event(check="cpu")
    assert send({"app_key": other, "status": "critical", "host": "web-1", "check": "cpu"}).status_code == 201
    assert Alert.objects.count() == 2


def test_values_are_compared_case_sensitively_and_trimmed(post_event: PostEvent) -> None:
    post_event(host="web-1")
    assert post_event(host="  web-1 ").status_code == 204
    assert post_event(host="WEB-1").status_code == 201
    assert Alert.objects.count() == 2


def test_host_and_check_cannot_be_confused_with_another_split_of_the_same_text(post_event: PostEvent) -> None:
    post_event(host="a b", check="c")
    post_event(host="a", check="b c")
    assert Alert.objects.count() == 2


def test_an_incident_identifier_overrides_primary_and_secondary(post_event: PostEvent) -> None:
    post_event(host="web-1", check="cpu", incident_identifier="INC-7")
    post_event(host="web-2", check="disk", incident_identifier="INC-7")
    assert the_alert().identifier == "INC-7"
    assert the_alert().tags["host"] == "web-2"


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_newest_timestamp_decides_whatever_the_order_of_arrival(
    order: tuple[int, ...], post_event: PostEvent
) -> None:
    story: list[dict[str, Any]] = [
        {"status": "warning", "timestamp": NOW - 400, "description": "slow", "owner": "shop"},
        {"status": "critical", "timestamp": NOW - 300, "description": "down"},
        {"status": "ok", "timestamp": NOW - 200},
        {"status": "warning", "timestamp": NOW - 100, "description": "slow again"},
    ]
    for place in order:
        assert post_event(check="http", **story[place]).status_code == 201
    alert = the_alert()
    assert alert.status == Status.WARNING
    assert alert.severity == Status.CRITICAL
    assert alert.tags == {"host": "web-1", "check": "http", "description": "slow again", "owner": "shop"}
    assert alert.started_at.timestamp() == NOW - 400
    assert alert.changed_at.timestamp() == NOW - 100
    assert alert.ended_at is None


def test_tags_that_an_update_does_not_name_stay(post_event: PostEvent) -> None:
    post_event(description="problem1", cluster="shop")
    post_event(description="problem2")
    assert the_alert().tags == {"host": "web-1", "description": "problem2", "cluster": "shop"}


def test_a_late_event_adds_only_tags_that_no_newer_event_named(post_event: PostEvent) -> None:
    post_event(timestamp=NOW, description="now")
    post_event(timestamp=NOW - 60, description="then", rack="r7")
    assert the_alert().tags == {"host": "web-1", "description": "now", "rack": "r7"}


def test_ok_ends_the_alert_and_an_active_event_within_the_window_reopens_it(post_event: PostEvent) -> None:
    post_event(timestamp=NOW - 90_000)
    post_event(status="ok", timestamp=NOW - 80_000)
    assert the_alert().ended_at is not None
    post_event(timestamp=NOW)
    assert the_alert().ended_at is None


def test_an_active_event_after_the_window_begins_a_new_alert(post_event: PostEvent) -> None:
    post_event(timestamp=NOW - 400_000)
    post_event(status="ok", timestamp=NOW - 300_000)
    post_event(timestamp=NOW)
    first, second = Alert.objects.order_by("life")
    assert (first.status, second.status) == (Status.OK, Status.CRITICAL)
    assert (first.is_current, second.is_current) == (False, True)
    assert first.incident != second.incident


@pytest.mark.parametrize(("microseconds", "lives"), [(0, 1), (1, 2)])
def test_trouble_at_the_very_end_of_the_window_still_reopens(
    microseconds: int, lives: int, post_event: PostEvent
) -> None:
    end = timezone.now() - timedelta(hours=50)
    again = end + timedelta(hours=48, microseconds=microseconds)
    for at, status in ((end - timedelta(hours=1), "critical"), (end, "ok"), (again, "critical")):
        post_event(status=status, timestamp=at.isoformat())
    assert Alert.objects.count() == lives


def test_a_late_event_of_a_former_life_joins_the_history_of_that_life(post_event: PostEvent) -> None:
    post_event(timestamp=NOW - 400_000)
    post_event(status="ok", timestamp=NOW - 300_000)
    post_event(timestamp=NOW)
    assert post_event(status="warning", timestamp=NOW - 350_000).status_code == 201
    assert post_event(status="warning", timestamp=NOW - 350_000).status_code == 204
    first, second = Alert.objects.order_by("life")
    assert (first.events.count(), second.events.count()) == (3, 1)
    assert first.status == Status.OK


def test_several_lives_can_begin_within_one_batch(post_batch: PostBatch) -> None:
    story = [
        ("critical", 900_000),
        ("ok", 800_000),
        ("critical", 500_000),
        ("ok", 400_000),
        ("critical", 0),
        ("warning", 850_000),
    ]
    reply = post_batch(*({"host": "web-1", "status": status, "timestamp": NOW - ago} for status, ago in story))
    assert reply.status_code == 201
    assert [alert.events.count() for alert in Alert.objects.order_by("life")] == [3, 2, 1]


def test_a_first_event_that_is_ok_is_accepted_and_gets_no_incident(post_event: PostEvent) -> None:
    assert post_event(status="ok").status_code == 201
    assert the_alert().incident is None
    assert the_alert().revision == the_alert().correlated_revision


def test_after_a_first_ok_the_alert_starts_with_its_first_active_event(post_event: PostEvent) -> None:
    post_event(status="ok", timestamp=NOW - 500)
    post_event(timestamp=NOW - 100)
    assert the_alert().started_at.timestamp() == NOW - 100
    assert the_alert().incident is not None


def test_a_batch_may_end_hundreds_of_alerts_and_begin_hundreds_more(post_batch: PostBatch) -> None:
    def items(first: int, status: str, **tags: str) -> list[dict[str, Any]]:
        return [{"host": f"web-{number}", "status": status, **tags} for number in range(first, first + 250)]

    post_batch(*items(0, "critical"))
    assert post_batch(*items(0, "ok", note="over"), *items(250, "warning", note="x" * 600)).status_code == 201
    counts = Counter(Alert.objects.values_list("status", "tags__note", "revision"))
    assert counts == {(Status.OK, "over", 2): 250, (Status.WARNING, "x" * 512, 1): 250}
    assert Event.objects.count() == 750


def test_items_of_a_batch_without_times_apply_in_their_order(post_batch: PostBatch) -> None:
    post_batch(*({"host": "web-1", "status": status} for status in ("critical", "ok", "warning")))
    assert the_alert().status == Status.WARNING


def test_an_ok_without_a_time_ends_an_alert_whose_sender_clock_is_ahead(post_event: PostEvent) -> None:
    post_event(timestamp=NOW + 3600)
    assert "ahead" in the_alert().notes[0]
    post_event(status="ok")
    assert the_alert().status == Status.OK


@pytest.mark.parametrize("sent", [0.5, -62135596800, "0001-01-01T00:00:00Z", 4102444800, "yesterday", True])
def test_an_impossible_time_is_replaced_by_the_time_of_receipt_with_a_note(sent: object, post_event: PostEvent) -> None:
    with time_machine.travel(timezone.now(), tick=False):
        reply = post_event(timestamp=sent)
        assert the_alert().started_at == timezone.now()
    assert reply.json()["notes"][0]["field"] == "timestamp"
    assert the_alert().notes[0].startswith("timestamp")


@pytest.mark.parametrize(
    "sent",
    [
        NOW,
        float(NOW),
        NOW * 1000,
        str(NOW),
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW)),
        time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(NOW)),
        time.strftime("%Y-%m-%dT%H:%M:%S+02:00", time.gmtime(NOW + 7200)),
    ],
)
def test_seconds_milliseconds_floats_and_rfc_3339_are_the_same_time(sent: object, post_event: PostEvent) -> None:
    post_event(timestamp=sent)
    assert the_alert().started_at.timestamp() == NOW


def test_the_reopen_window_is_a_setting(post_event: PostEvent, settings: Any) -> None:
    settings.REOPEN_WINDOW = timedelta(minutes=5)
    post_event(timestamp=NOW - 2000)
    post_event(status="ok", timestamp=NOW - 1000)
    post_event(timestamp=NOW)
    assert Alert.objects.count() == 2


def test_a_late_event_joins_the_life_that_it_belongs_to_among_many(post_event: PostEvent, settings: Any) -> None:
    settings.REOPEN_WINDOW = timedelta(seconds=10)
    for life in range(4):
        post_event(status="critical", timestamp=NOW - 4000 + 1000 * life)
        post_event(status="ok", timestamp=NOW - 3900 + 1000 * life)
    for life in range(4):
        post_event(status="warning", timestamp=NOW - 3950 + 1000 * life)
    assert list(Alert.objects.order_by("life").values_list("life", "status_changes")) == [
        (life + 1, [1_000_000 * (NOW - ago + 1000 * life) for ago in (3950, 3900)]) for life in range(4)
    ]


def test_an_event_at_the_end_of_a_former_life_joins_it_only_if_the_life_stays_ended(post_event: PostEvent) -> None:
    post_event(timestamp=NOW - 400_000)
    post_event(status="ok", timestamp=NOW - 300_000)
    post_event(timestamp=NOW)
    post_event(status="ok", timestamp=NOW - 300_000, rack="r7")
    former, current = Alert.objects.order_by("life")
    assert (former.tags.get("rack"), current.tags.get("rack")) == ("r7", None)
    post_event(status="warning", timestamp=NOW - 300_000)
    former, current = Alert.objects.order_by("life")
    assert (former.status, current.status) == (Status.OK, Status.CRITICAL)
    assert current.started_at.timestamp() == NOW - 300_000


def test_a_late_event_is_a_duplicate_only_with_the_time_and_content_of_a_stored_event(post_event: PostEvent) -> None:
    post_event(status="critical", timestamp=NOW - 300)
    post_event(status="ok", timestamp=NOW - 200)
    post_event(status="critical", timestamp=NOW - 100)
    assert post_event(status="critical", timestamp=NOW - 250).status_code == 201  # the same content at another time
    assert post_event(status="warning", timestamp=NOW - 300).status_code == 201  # other content at the same time
    assert post_event(status="critical", timestamp=NOW - 300).status_code == 204


def test_a_repair_is_noted_once_however_often_it_is_made(post_event: PostEvent) -> None:
    for number in range(3):
        post_event(timestamp="yesterday", description=str(number))
    assert len(the_alert().notes) == 1


def test_an_alert_keeps_its_latest_twenty_notes(post_event: PostEvent) -> None:
    for number in range(25):
        post_event(**{f"tag-{number}": "x" * 40_000})
    assert [note.split(":")[0] for note in the_alert().notes] == [f"tag-{number}" for number in range(5, 25)]
