"""The Alerts API: requests of senders and the replies to them (docs/wire-contract.md §2)."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.test import Client

from alerts.models import Alert, Event
from tests.conftest import PostBatch, PostEvent, Send

pytestmark = pytest.mark.django_db
SUCCESS = {"response": {"status": "success"}}


def assert_error(reply: Any, status: int, *words: str) -> None:
    """Check the body, which has the error envelopes of all known clients."""
    assert reply.status_code == status
    body = reply.json()
    message = body["error"]
    assert body["status"] == status
    assert body["errors"][0] == message == body["response"]["status"] == body["response"]["errors"][0]
    for word in words:
        assert word in message


def test_a_single_alert_is_answered_201_with_bigpandas_body(post_event: PostEvent) -> None:
    reply = post_event()
    assert (reply.status_code, reply.json()) == (201, SUCCESS)
    assert reply.headers["Content-Type"] == "application/json"


def test_a_batch_names_its_app_key_once(post_batch: PostBatch) -> None:
    reply = post_batch({"status": "critical", "host": "a"}, {"status": "warning", "host": "b"})
    assert (reply.status_code, reply.json()) == (201, SUCCESS)
    assert Alert.objects.count() == 2


def test_a_batch_of_duplicates_is_answered_204_without_a_body(post_batch: PostBatch) -> None:
    items = [{"status": "critical", "host": "a"}, {"status": "critical", "host": "b"}]
    post_batch(*items)
    reply = post_batch(*items)
    assert (reply.status_code, reply.content) == (204, b"")


def test_repeats_within_one_batch_are_duplicates(post_batch: PostBatch) -> None:
    assert post_batch({"status": "critical", "host": "a"}, {"status": "critical", "host": "a"}).status_code == 201
    assert Event.objects.count() == 1


def test_a_bad_item_does_not_affect_its_neighbors(post_batch: PostBatch) -> None:
    reply = post_batch(
        {"status": "critical", "host": "a"}, {"status": "on fire", "host": "b"}, 7, {"status": "ok", "host": "c"}
    )
    assert reply.status_code == 201
    assert [(each["index"], each["field"]) for each in reply.json()["rejected"]] == [(1, "status"), (2, "alerts")]
    assert Alert.objects.count() == 2


def test_a_batch_with_nothing_usable_is_a_400_that_lists_each_item(post_batch: PostBatch) -> None:
    reply = post_batch({"status": "on fire", "host": "b"}, {"status": "critical"})
    assert_error(reply, 400, "status", "ok, warning, critical, acknowledged, unknown", "on fire")
    assert [each["field"] for each in reply.json()["rejected"]] == ["status", "primary_property"]


@pytest.mark.parametrize("path", ["/data/v2/alerts?access_token={}", "/oim/api/alerts?access_token={}"])
def test_the_token_may_stand_in_the_url(path: str, org_token: Any, app_key: Any) -> None:
    body = {"app_key": app_key.secret, "status": "critical", "host": "web-1"}
    reply = Client().post(path.format(org_token.secret), body, content_type="application/json")
    assert reply.status_code == 201


@pytest.mark.parametrize("where", ["item", "query", "x-bp-app-key", "x-app-key", "app_key"])
def test_the_app_key_may_stand_in_item_query_or_header(where: str, send: Send, app_key: Any) -> None:
    item = {"status": "critical", "host": "web-1"}
    if where == "item":
        reply = send({"alerts": [item | {"app_key": app_key.secret}]})
    elif where == "query":
        reply = send(item, path=f"/data/v2/alerts?app_key={app_key.secret}")
    else:
        reply = send(item, headers={where: app_key.secret})
    assert reply.status_code == 201


def test_no_token_is_a_401_that_says_how_to_send_one(app_key: Any) -> None:
    reply = Client().post("/data/v2/alerts", {}, content_type="application/json")
    assert_error(reply, 401, "Bearer", "access_token")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_wrong_and_a_revoked_token_have_their_own_messages(org_token: Any) -> None:
    def post(token: str) -> Any:
        return Client(headers={"Authorization": f"Bearer {token}"}).post(
            "/data/v2/alerts", {}, content_type="application/json"
        )

    assert_error(post("f" * 32), 401, "not known")
    assert "f" * 32 not in post("f" * 32).content.decode()
    org_token.deactivate()
    assert_error(post(org_token.secret), 401, "revoked")


def test_a_missing_unknown_and_deactivated_app_key_have_their_own_messages(send: Send, app_key: Any) -> None:
    alert = {"status": "critical", "host": "web-1"}
    assert_error(send(alert), 400, "app_key", "required")
    assert_error(send({**alert, "app_key": "0" * 32}), 400, "app_key", "not known")
    app_key.deactivate()
    assert_error(send({**alert, "app_key": app_key.secret}), 400, "app_key", "deactivated")
    assert Alert.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", ["not JSON"]),
        (b"", ["not JSON"]),
        (b'{"host": "\xff"}', ["UTF-8"]),
        (b"[" * 100_000, ["nested too deeply"]),
        (b"7", ["alerts", "object"]),
        (b'{"alerts": {}}', ["alerts", "array"]),
        (b'{"alerts": []}', ["alerts", "at least one"]),
        (b"[]", ["alerts", "at least one"]),
    ],
)
def test_the_reply_to_an_unreadable_payload_says_why(body: bytes, words: list[str], send: Send) -> None:
    assert_error(send(body), 400, *words)


def test_no_status_and_no_primary_property_name_the_field_and_the_rule(send: Send, app_key: Any) -> None:
    assert_error(send({"app_key": app_key.secret, "host": "a"}), 400, "status", "required")
    assert_error(
        send({"app_key": app_key.secret, "status": "ok", "cluster": "a"}), 400, "primary_property", "host, service"
    )


@pytest.mark.parametrize("status", ["Critical", "CRITICAL", " warning ", "warn", "crit", "ack", "unknown"])
def test_statuses_are_accepted_in_any_case_and_in_the_short_forms_of_the_wrappers(
    status: str, post_event: PostEvent
) -> None:
    assert post_event(status=status).status_code == 201


def test_primary_and_secondary_property_may_name_other_tags(post_event: PostEvent) -> None:
    post_event(primary_property="pod", secondary_property="probe", pod="checkout-7", probe="liveness")
    assert Alert.objects.get().identifier == "pod=checkout-7 probe=liveness"


def test_a_property_that_names_an_absent_tag_falls_back_with_a_note(post_event: PostEvent) -> None:
    reply = post_event(primary_property="pod", host="web-1")
    assert reply.json()["notes"][0]["field"] == "primary_property"
    assert Alert.objects.get().identifier == "host=web-1"


@pytest.mark.parametrize(
    ("sent", "kept", "noted"),
    [
        ({"nested": {"a": 1}}, {}, ["nested"]),
        ({"list": ["a", 2, {"b": 1}]}, {"list": ["a", "2"]}, ["list"]),
        ({"nothing": None, "empty": ""}, {"empty": ""}, []),
        ({"description": "x" * 3000}, {"description": "x" * 2048}, ["description"]),
        ({"long": "x" * 600}, {"long": "x" * 512}, ["long"]),
        ({"many": ["a"] * 40}, {"many": ["a"] * 30}, ["many"]),
        ({"nul": "a\0b", "half": "\ud800"}, {"nul": "a\ufffdb", "half": "\ufffd"}, ["nul", "half"]),
        ({"whole": 3.0, "part": 0.5, "big": 10**400}, {"whole": "3", "part": "0.5", "big": str(10**400)}, []),
    ],
)
def test_repairs_are_made_and_reported(
    sent: dict[str, Any], kept: dict[str, Any], noted: list[str], post_event: PostEvent
) -> None:
    reply = post_event(**sent)
    assert reply.status_code == 201
    assert {"host": "web-1", **kept} == Alert.objects.get().tags
    assert [note["field"] for note in reply.json().get("notes", [])] == noted
    assert [note.split(":")[0] for note in Alert.objects.get().notes] == noted


def test_numbers_that_are_not_finite_are_dropped_and_reported(send: Send, app_key: Any) -> None:
    reply = send(f'{{"app_key": "{app_key.secret}", "status": "ok", "host": "a", "x": NaN, "y": 1e400}}')
    assert [note["field"] for note in reply.json()["notes"]] == ["x", "y"]


def test_tags_whose_names_become_equal_are_reported(post_event: PostEvent) -> None:
    reply = post_event(**{"x" * 200 + "1": "one", "x" * 200 + "2": "two", " y": "1", "y": "2"})
    rules = [note["rule"] for note in reply.json()["notes"]]
    assert [rule.split(";")[0] for rule in rules] == [
        "the tag's name was cut to 128 characters",
        "the tag's name was cut to 128 characters",
        "was sent twice",
        "was sent twice",
    ]
    assert Alert.objects.get().tags == {"host": "web-1", "x" * 128: "two", "y": "2"}


def test_only_the_first_2000_tags_are_kept(post_event: PostEvent) -> None:
    reply = post_event(**{f"tag{number}": "x" for number in range(2100)})
    assert reply.json()["notes"][0]["rule"] == "only the first 2000 tags were kept"
    assert len(Alert.objects.get().tags) == 2000


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf8", "text/plain", "application/x-www-form-urlencoded", "", "nonsense"],
)
def test_json_is_read_under_any_content_type(content_type: str, send: Send, app_key: Any) -> None:
    assert send({"app_key": app_key.secret, "status": "ok", "host": "a"}, content_type=content_type).status_code == 201


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*", "nonsense"])
def test_any_accept_header_is_answered_in_json(accept: str, send: Send, app_key: Any) -> None:
    reply = send({"app_key": app_key.secret, "status": "ok", "host": "a"}, headers={"Accept": accept})
    assert (reply.status_code, reply.json()) == (201, SUCCESS)


def test_a_payload_over_6_mb_is_a_413_before_it_is_parsed(send: Send) -> None:
    assert_error(send(b"[" * (6 * 1024 * 1024 + 1)), 413, "6 MB")


def test_a_gzip_body_is_read(send: Send, app_key: Any) -> None:
    body = gzip.compress(json.dumps({"app_key": app_key.secret, "status": "ok", "host": "a"}).encode())
    assert send(body, headers={"Content-Encoding": "gzip"}).status_code == 201


def test_a_gzip_body_that_would_swell_over_6_mb_is_a_413(send: Send) -> None:
    assert_error(send(gzip.compress(b" " * (7 * 1024 * 1024)), headers={"Content-Encoding": "gzip"}), 413, "6 MB")


def test_a_broken_gzip_body_is_a_400(send: Send) -> None:
    assert_error(send(b"no gzip at all", headers={"Content-Encoding": "gzip"}), 400, "gzip")


@pytest.mark.parametrize("verb", ["get", "put", "patch", "delete"])
def test_a_wrong_verb_is_a_501(verb: str, org_token: Any) -> None:
    client = Client(headers={"Authorization": f"Bearer {org_token.secret}"})
    assert_error(getattr(client, verb)("/data/v2/alerts"), 501, "POST")


def test_an_unknown_route_of_the_api_is_a_404_in_json(send: Send) -> None:
    reply = send({}, path="/data/v3/alerts")
    assert_error(reply, 404)
    assert reply.json()["errors"] == ["Route /data/v3/alerts is not found"]


def test_a_trailing_slash_is_not_redirected(send: Send) -> None:
    assert send({}, path="/data/v2/alerts/").status_code == 404


def test_secrets_are_stored_as_digests(org_token: Any, app_key: Any) -> None:
    for credential in (org_token, app_key):
        credential.refresh_from_db()
        row = [str(getattr(credential, field.attname)) for field in credential._meta.fields]
        assert credential.secret not in row


def test_the_first_event_installs_the_app_key_even_if_its_status_is_ok(post_event: PostEvent, app_key: Any) -> None:
    assert app_key.status == "pending"
    post_event(status="ok")
    app_key.refresh_from_db()
    assert app_key.status == "installed"
