"""Tests that a search among open incidents finds what the same query finds among all incidents."""

from __future__ import annotations

import pytest

import bpql
from incidents import actions
from incidents.models import Incident, SearchText
from incidents.search import conditions, index
from people.models import User
from tests.conftest import PostEvent

QUERIES = (
    "db",
    "volcano",
    "host = db-*",
    "host != db-1",
    "check = disk AND status = ok",
    "check = disk OR comment = volcano",
    "check === disk",
    "host NOT IN [db-1, db-2]",
    "host = /db-[12]/ AND check = cpu",
    "nothing-like-it",
)


@pytest.mark.parametrize("few", [0, 1, 1000])
def test_it_finds_the_same_at_once_as_one_by_one(
    few: int, responder: User, post_event: PostEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for host in ("db-1", "db-2", "web-1"):
        post_event(host=host, check="cpu", status="critical")
        post_event(host=host, check="disk", status="warning")
    post_event(host="db-2", check="disk", status="ok")
    post_event(host="mail-1", check="disk", status="critical")
    actions.comment(Incident.objects.get(title="mail-1"), by=responder, text="Lava under the volcano")
    assert Incident.objects.open().count() == 4
    monkeypatch.setattr("incidents.search.conditions.FEW", few)
    open_ones = Incident.objects.open()
    for query in QUERIES:
        asked = bpql.parse(query)
        one_by_one = set(open_ones.filter(conditions.for_incidents(asked)))
        assert set(open_ones.filter(conditions.for_open_incidents(asked))) == one_by_one, query


def _found(query: str) -> list[str]:
    return [each.title for each in Incident.objects.open().filter(conditions.for_open_incidents(bpql.parse(query)))]


def test_what_opened_again_is_found_by_any_of_its_alerts(post_event: PostEvent, responder: User) -> None:
    for host in ("db-1", "db-2"):
        post_event(host=host, check="cpu", status="critical")
        post_event(host=host, check="disk", status="warning")
    by_hand = actions.resolve(Incident.objects.get(title="db-1"), by=responder)
    for check in ("cpu", "disk"):
        post_event(host="db-2", check=check, status="ok")
    assert index.forget() == 4
    assert _found("disk") == []
    actions.undo(by_hand, by=responder)
    post_event(host="db-2", check="cpu", status="critical")
    assert sorted(_found("disk")) == ["db-1", "db-2"]
    assert sorted(_found("check = disk")) == ["db-1", "db-2"]


def test_only_what_is_over_is_forgotten(post_event: PostEvent) -> None:
    for host in ("db-1", "db-2"):
        post_event(host=host, check="cpu", status="critical")
    post_event(host="db-1", check="cpu", status="ok")
    assert index.forget() == 1
    assert SearchText.objects.count() == 1
    assert _found("db") == ["db-2"]


def test_it_finds_tags_as_they_are_now(post_event: PostEvent) -> None:
    post_event(host="db-1", check="cpu", status="critical", team="red")
    post_event(host="db-1", check="cpu", status="critical", team="blue")
    assert _found("team = red") == []
    assert _found("team = blue") == ["db-1"]
