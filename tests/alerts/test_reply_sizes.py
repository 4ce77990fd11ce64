"""A reply is not much larger than its request: rejects, repairs and messages are listed up to 100 and counted beyond."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.models import Alert
from tests.conftest import PostBatch, Send

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def test_a_million_wrong_items_have_a_short_reply(send: Send) -> None:
    reply = send(b'{"alerts":[' + b"1," * 999_999 + b"1]}", content_type="application/json")
    told = reply.json()
    assert reply.status_code == 400
    assert len(reply.content) < 50_000
    assert (len(told["rejected"]), told["rejected_count"]) == (100, 1_000_000)
    assert told["errors"][-1] == "999,900 more alerts were rejected."


def test_neighbors_of_many_wrong_items_are_accepted(post_batch: PostBatch) -> None:
    reply = post_batch(*[{"status": "on fire", "host": "a"}] * 150, {"status": "critical", "host": "b"})
    assert (reply.status_code, len(reply.json()["rejected"]), reply.json()["rejected_count"]) == (201, 100, 150)
    assert Alert.objects.get().primary_value == "b"


def test_repairs_are_listed_up_to_100_and_counted(post_batch: PostBatch) -> None:
    nested: dict[str, object] = {f"t{number}": {} for number in range(60)}
    told = post_batch(*({"status": "critical", "host": f"h{number}", **nested} for number in range(2))).json()
    assert (len(told["notes"]), told["notes_count"]) == (100, 120)


def test_a_short_list_of_rejects_has_no_count(post_batch: PostBatch) -> None:
    assert set(post_batch({"status": "on fire", "host": "a"}).json()) == {
        *("status", "errors", "error", "response", "rejected")
    }


def test_unknown_app_keys_are_looked_up_a_hundred_times(send: Send, django_assert_max_num_queries: Any) -> None:
    alert = {"status": "critical", "host": "a"}
    unknown = [{**alert, "app_key": f"unknown-{number}"} for number in range(1000)]
    repeated = [{**alert, "app_key": "unknown-1"}] * 1000
    with django_assert_max_num_queries(150):
        told = send({"alerts": [*repeated, *unknown]}).json()
    assert told["rejected_count"] == 2000


def test_a_webhook_lists_a_hundred_rejects(send: Send, app_key: Any) -> None:
    nameless = [{"labels": {"severity": "page"}}] * 300
    told = send({"alerts": nameless}, path=f"/oim/prometheus/alerts?app_key={app_key.secret}").json()
    assert (len(told["rejected"]), told["rejected_count"]) == (100, 300)


def test_what_all_alerts_of_a_webhook_share_is_not_repeated_a_million_times(send: Send, app_key: Any) -> None:
    shared = {f"label_{number}": "x" for number in range(20_000)}
    payload = {"commonLabels": shared, "alerts": [{}] * 100_000}
    reply = send(payload, path=f"/oim/prometheus/alerts?app_key={app_key.secret}")
    assert (reply.status_code, "commonLabels" in reply.json()["error"]) == (400, True)
