"""Tests of /resources/v2.0/correlation-patterns (docs/wire-contract.md §4.1)."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from incidents.models import CorrelationPattern, Incident
from people.models import ApiKey, AuditEntry, User
from tests.described import DescribedClient

PATTERNS, ORDER = "/resources/v2.0/correlation-patterns", "/resources/v2.1/correlation-patterns-order"


class Script:
    """A script with the personal API key of a person."""

    def __init__(self, user: User) -> None:
        _, secret = ApiKey.issue(user, name="Script", expires_at=None)
        self.client = DescribedClient(headers={"Authorization": f"Bearer {secret}"})

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        return self.client.generic(method, path, json.dumps(body) if body is not None else "", "application/json")


@pytest.fixture
def script(admin: User) -> Script:
    CorrelationPattern.objects.all().delete()
    return Script(admin)


def create(script: Script, **fields: Any) -> dict[str, Any]:
    reply = script("POST", PATTERNS, {"tags": ["host"], "time_window": 60, **fields})
    assert reply.status_code == 200, reply.content
    shown: dict[str, Any] = reply.json()
    return shown


def test_a_pattern_is_created_read_changed_and_deleted(script: Script, admin: User) -> None:
    made = create(script, filter="source_system=api.*", note="One host")
    assert made["id"] == made["correlation_id"]
    assert (made["tags"], made["time_window"], made["cross_source"], made["active"]) == (["host"], 60, True, True)
    assert (made["created_by"], made["execution_order"], made["suggested_at"]) == (str(admin.pk), 1, None)
    path = f"{PATTERNS}/{made['id']}"
    assert script("GET", path).json() == made
    changed = script("PATCH", path, {"time_window": 120}).json()
    assert (changed["time_window"], changed["note"], changed["version"]) == (120, "One host", 2)
    assert script("DELETE", path).status_code == 200
    assert script("GET", path).status_code == 404
    assert script("GET", PATTERNS).json() == []
    assert list(
        AuditEntry.objects.filter(entity_kind="correlation pattern").order_by("pk").values_list("change", flat=True)
    ) == [
        "created",
        "changed",
        "deleted",
    ]


def test_who_asks_oftener_than_five_times_in_a_second_is_told_when_to_try_again(
    script: Script, responder: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PATTERN_REQUESTS_PER_SECOND = 5
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.5)
    assert [script("GET", path).status_code for path in (PATTERNS, ORDER, PATTERNS, ORDER, PATTERNS)] == [200] * 5
    refused = script("PUT", ORDER, {"execution_order": []})
    assert refused.status_code == 429
    assert (refused.headers["Retry-After"], refused.headers["RateLimit-Limit"]) == ("1", "5")
    assert "more than 5 requests for correlation-patterns" in refused.json()["errors"][0]
    assert Script(responder)("GET", PATTERNS).status_code != 429
    monkeypatch.setattr(time, "time", lambda: 1_800_000_001.5)
    assert script("GET", PATTERNS).status_code == 200


def test_active_ones_are_listed_apart_from_the_others(script: Script) -> None:
    on, off = create(script), create(script, tags=["check"], active=False)
    assert [each["id"] for each in script("GET", f"{PATTERNS}?active=true").json()] == [on["id"]]
    assert [each["id"] for each in script("GET", f"{PATTERNS}?active=false").json()] == [off["id"]]
    assert script("GET", f"{PATTERNS}?active=perhaps").status_code == 400


def test_the_longest_window_comes_first_until_an_order_is_set_and_again_after_a_reset(script: Script) -> None:
    short, long, middle = (
        create(script, tags=[name], time_window=window)["id"] for name, window in (("a", 1), ("b", 4320), ("c", 60))
    )

    def order() -> list[str]:
        return [each["id"] for each in script("GET", PATTERNS).json()]

    assert order() == [long, middle, short]
    reply = script("PUT", ORDER, {"execution_order": [short, long, middle]})
    assert reply.json() == {"execution_order": [short, long, middle]}
    assert order() == [short, long, middle]
    last = create(script, tags=["d"], time_window=2000)["id"]
    assert order() == [short, long, middle, last]
    assert script("POST", f"{ORDER}/reset").status_code == 200
    assert order() == [long, last, middle, short]


def test_an_order_must_name_every_pattern_once(script: Script) -> None:
    first, second = create(script)["id"], create(script, tags=["check"])["id"]
    for wrong in ([first], [first, first], [first, second, str(uuid4())], ["host"], "host", None, [1]):
        reply = script("PUT", ORDER, {"execution_order": wrong})
        assert reply.status_code == 400
        assert "execution_order: must" in reply.json()["error"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tags": []}, "tags: A pattern compares 1 to 5 tags."),
        ({"tags": list("abcdef")}, "tags: A pattern compares 1 to 5 tags."),
        ({"tags": ["a", "a"]}, "tags: “a” is named twice."),
        ({"tags": "host"}, "tags: must be a list of tag names."),
        ({"tags": [""]}, "tags: A tag's name cannot be empty."),
        ({"time_window": 0}, "time_window: must be a whole number of minutes from 1 to 4,320 (72 hours)."),
        ({"time_window": 4321}, "time_window: must be"),
        ({"time_window": True}, "time_window: must be"),
        ({"time_window": "60"}, "time_window: must be"),
        ({"filter": "host ="}, "filter: Expected a value, but the query ends here. (at character 7)"),
        ({"filter": "a = b AND host === a"}, "is about an incident as a whole"),
        ({"filter": 7}, "filter: must be a BPQL query"),
        ({"cross_source": "yes"}, "cross_source: must be true or false."),
        ({"note": "n" * 2001}, "note: must be a text of up to 2,000 characters."),
        ({"colour": "red"}, "colour: is no property of a pattern."),
    ],
)
def test_what_cannot_be_is_refused_by_field(script: Script, fields: dict[str, Any], message: str) -> None:
    reply = script("POST", PATTERNS, {"tags": ["host"], "time_window": 60, **fields})
    assert reply.status_code == 400
    body = reply.json()
    assert message in body["error"]
    assert body["errors"] == body["response"]["errors"]
    assert not CorrelationPattern.objects.exists()


def test_what_is_required_is_said(script: Script) -> None:
    body = script("POST", PATTERNS, {}).json()
    assert body["errors"] == ["tags: is required.", "time_window: is required."]
    assert script("POST", PATTERNS, "host").status_code == 400


def test_a_filter_is_taken_in_its_object_form_too(script: Script) -> None:
    made = create(
        script, filter={"AND": [{"=": ["source_system", {"type": "regex", "value": "api.*"}]}, {"!=": ["host", "a"]}]}
    )
    assert made["filter"] == 'source_system = "api.*" AND host != "a"'


def test_a_new_pattern_gathers_what_its_filter_names(script: Script, post_batch: Any) -> None:
    create(script, tags=["team"], filter="check = cpu*")
    post_batch(
        *(
            {"status": "critical", "host": f"web-{n}", "check": check, "team": "shop"}
            for n, check in enumerate(["CPU", "cpu load", "disk"])
        )
    )
    assert sorted(Incident.objects.values_list("alerts_count", flat=True)) == [1, 2]


def test_a_list_is_taken_as_a_whole_or_not_at_all(script: Script) -> None:
    made = create(script)
    wrong = script("POST", PATTERNS, [{"tags": ["a"], "time_window": 5}, {"tags": [], "time_window": 5}, {"id": "x"}])
    assert wrong.status_code == 400
    assert wrong.json()["rejected"] == [
        {"index": 1, "rule": "tags: A pattern compares 1 to 5 tags."},
        {"index": 2, "rule": "id: must be a UUID, or be left out."},
    ]
    assert CorrelationPattern.objects.count() == 1
    reply = script("POST", PATTERNS, [{**made, "note": "Changed"}, {"tags": ["a"], "time_window": 5}])
    assert [each["note"] for each in reply.json()] == ["Changed", ""]
    assert CorrelationPattern.objects.count() == 2


def test_what_was_exported_comes_back_as_it_was(script: Script) -> None:
    for name in ("a", "b", "c"):
        create(script, tags=[name])
    exported = script("GET", PATTERNS).json()
    script("PUT", ORDER, {"execution_order": [each["id"] for each in reversed(exported)]})
    script("PATCH", f"{PATTERNS}/{exported[0]['id']}", {"time_window": 1})
    script("DELETE", f"{PATTERNS}/{exported[1]['id']}")
    script("POST", PATTERNS, exported)
    same = ("id", "tags", "time_window", "execution_order", "active")
    restored = script("GET", PATTERNS).json()
    assert [[each[name] for name in same] for each in restored] == [[each[name] for name in same] for each in exported]


def test_who_may_not_is_told_so(script: Script, viewer: User, org_token: Any) -> None:
    made = create(script)
    looking = Script(viewer)
    assert looking("GET", PATTERNS).status_code == 200
    refused = looking("PATCH", f"{PATTERNS}/{made['id']}", {"note": "mine"})
    assert refused.status_code == 403
    assert "Correlation patterns" in refused.json()["error"]
    assert Client().get(PATTERNS).status_code == 401
    by_org_token = DescribedClient(headers={"Authorization": f"Bearer {org_token.secret}"}).get(PATTERNS)
    assert by_org_token.status_code == 401
    assert "personal API key" in by_org_token.json()["error"]
    assert by_org_token.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_incidents_log_names_its_pattern_as_the_api_does(script: Script, post_batch: Any) -> None:
    made = create(script, tags=["team"])
    post_batch(*({"status": "critical", "host": f"web-{n}", "team": "shop"} for n in range(2)))
    told = {
        "correlation_id": made["id"],
        "time_window": 3600,
        "tags": [{"name": "team", "value": "shop"}],
        "source_system": "*",
    }
    assert Incident.objects.get().correlation_matchers_log == [[told]]
