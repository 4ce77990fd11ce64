"""Limits, idempotency keys, and the counts of an App Key."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError

from alerts.api import alerts as alerts_api
from alerts.api.idempotency import forget_old
from alerts.models import Alert, Event, IdempotentReply, Traffic
from appkeys.models import AppKey
from tests.alerts.test_api import assert_error
from tests.conftest import PostBatch, PostEvent, Send

pytestmark = pytest.mark.django_db


def test_a_batch_of_thousands_is_within_the_limit_of_a_new_console(post_batch: PostBatch) -> None:
    assert post_batch(*({"status": "ok", "host": f"h{number}"} for number in range(5000))).status_code == 201


def test_with_the_limit_0_nothing_is_limited(post_event: PostEvent, settings: Any) -> None:
    settings.EVENTS_PER_MINUTE = 0
    assert {post_event(host=f"h{number}").status_code for number in range(5)} == {201}


def test_above_the_limit_the_reply_says_when_to_try_again(post_event: PostEvent, settings: Any) -> None:
    settings.EVENTS_PER_MINUTE = 3
    assert [post_event(host=f"h{number}").status_code for number in range(3)] == [201] * 3
    reply = post_event(host="h4")
    assert_error(reply, 429, "Nagios", "more than 3 events")
    assert 0 < int(reply.headers["Retry-After"]) <= 20  # a third of the allowance
    assert (reply.headers["RateLimit-Limit"], reply.headers["RateLimit-Remaining"]) == ("3", "0")
    assert reply.headers["RateLimit-Reset"] == reply.headers["Retry-After"]
    assert Alert.objects.count() == 3


def test_the_allowance_fills_up_again_and_a_large_batch_waits_until_it_is_full(
    post_event: PostEvent, post_batch: PostBatch, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EVENTS_PER_MINUTE = 6
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    batch = [{"status": "critical", "host": f"b{number}"} for number in range(12)]
    assert post_event(host="h1").status_code == 201
    assert post_batch(*batch).headers["Retry-After"] == "10"
    now[0] += 10
    assert post_batch(*batch).status_code == 201
    assert post_event(host="h2").headers["Retry-After"] == "70"
    now[0] += 70
    assert post_event(host="h2").status_code == 201
    assert post_event(host="h3").status_code == 429


def test_the_limit_of_one_app_key_leaves_the_others_alone(send: Send, app_key: Any, settings: Any) -> None:
    settings.EVENTS_PER_MINUTE = 2
    _, other = AppKey.issue(name="Zabbix")
    mine, others = ({"app_key": secret, "status": "critical", "host": "web-1"} for secret in (app_key.secret, other))
    assert [send(mine).status_code, send(others).status_code] == [201, 201]
    # A request that one App Key may not send counts for no App Key.
    assert send({"alerts": [mine, mine, others]}).status_code == 429
    assert send(others | {"status": "ok"}).status_code == 201
    assert send(others).status_code == 429


def test_a_large_batch_above_the_limit_is_refused_before_it_is_read_alert_by_alert(
    post_batch: PostBatch, app_key: Any, settings: Any
) -> None:
    settings.EVENTS_PER_MINUTE = 10
    watched = AppKey.objects.get()
    large = [{"status": "critical", "host": f"h{number}", "description": "x" * 400} for number in range(200)]
    assert post_batch(*large).status_code == 201
    assert_error(post_batch(*large, {"status": "on fire"}), 429, "Nagios", "more than 10 events")
    assert Alert.objects.count() == 200
    assert watched.traffic.get().accepted == 200


def test_a_request_repeated_with_its_idempotency_key_has_no_effect(send: Send, app_key: Any) -> None:
    body = {"app_key": app_key.secret, "status": "critical", "host": "web-1", "nested": {}}
    first = send(body, headers={"Idempotency-Key": "k1"})
    send({**body, "status": "ok"})
    again = send(body, headers={"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Alert.objects.get().status == 0
    assert Event.objects.count() == 2


def test_an_idempotency_key_with_another_payload_is_a_422(send: Send, app_key: Any) -> None:
    body = {"app_key": app_key.secret, "status": "critical", "host": "web-1"}
    send(body, headers={"Idempotency-Key": "k1"})
    assert_error(send({**body, "host": "web-2"}, headers={"Idempotency-Key": "k1"}), 422, "Idempotency-Key")
    assert Alert.objects.count() == 1


def test_a_refused_request_may_be_repeated_with_its_key(send: Send, app_key: Any) -> None:
    body = {"app_key": app_key.secret, "status": "on fire", "host": "web-1"}
    assert send(body, headers={"Idempotency-Key": "k1"}).status_code == 400
    assert send({**body, "status": "ok"}, headers={"Idempotency-Key": "k1"}).status_code == 201


def test_old_replies_are_deleted(send: Send, app_key: Any) -> None:
    send({"app_key": app_key.secret, "status": "ok", "host": "web-1"}, headers={"Idempotency-Key": "k1"})
    assert forget_old() == 0
    IdempotentReply.objects.update(created_at="2020-01-01T00:00:00Z")
    assert forget_old() == 1


def test_events_of_an_app_key_are_counted_by_the_hour(
    post_event: PostEvent, post_batch: PostBatch, app_key: Any
) -> None:
    post_event()
    post_event()
    post_batch({"status": "critical", "host": "b"}, {"status": "on fire", "host": "c"})
    row = Traffic.objects.get()
    assert (row.app_key, row.accepted, row.duplicates, row.rejected) == (app_key, 2, 1, 1)


def test_repairs_are_listed_with_the_app_key_once_per_field(post_event: PostEvent, app_key: Any) -> None:
    post_event(nested={"a": 1})
    post_event(nested={"a": 2}, host="b", long="x" * 600)
    assert {(repair.field, repair.times) for repair in app_key.repairs.all()} == {("nested", 2), ("long", 1)}


def test_with_the_database_away_the_reply_asks_to_send_again(
    post_event: PostEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("no route to host")

    monkeypatch.setattr(alerts_api, "ingest", away)
    reply = post_event()
    assert_error(reply, 503, "send the request again")
    assert reply.headers["Retry-After"] == "5"
