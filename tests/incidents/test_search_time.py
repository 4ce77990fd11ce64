"""Tests that a search that takes too long is stopped wherever people and scripts search, and that they are told."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from bpql import SearchStopped
from db import time_limit
from incidents.models import Incident
from people.models import ApiKey, User
from tests.conftest import PostEvent
from tests.described import DescribedClient

STOPPED = "This search took longer than 0.05 s and was stopped."
# Each further character of such texts leads to another set of places in this expression, so it takes minutes.
SLOW = "/(a|b)*a(a|b){60}c/"
ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000000000) SELECT count(*) FROM c"


@pytest.fixture
def large_incident(post_event: PostEvent) -> Incident:
    """Return an incident whose alert has 2,000 tags."""
    draw = random.Random(1)
    tags = {f"t{number}": "".join(draw.choices("ab", k=200)) for number in range(2000)}
    post_event(host="db-1", check="cpu")
    post_event(host="db-1", check="disk", **tags)
    return Incident.objects.get()


@pytest.fixture
def little_time(settings: Any) -> None:
    settings.SEARCH_SECONDS = 0.05


@pytest.fixture
def ada(client: Client, admin: User, large_incident: Incident, little_time: None) -> Client:
    client.force_login(admin)
    return client


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/", "q"),
        ("/live/state", "q"),
        ("/incidents/{}/alerts", "alert-q"),
        ("/environments/preview", "query"),
        ("/maintenance/preview", "condition"),
        ("/why-not", "alert"),
        ("/incidents/{}/split", "alert-q"),
    ],
)
def test_a_page_says_that_its_search_was_stopped(
    ada: Client, large_incident: Incident, settings: Any, path: str, field: str
) -> None:
    reply = ada.get(path.format(large_incident.pk), {field: SLOW})
    assert reply.status_code == 200
    assert STOPPED in reply.content.decode()
    settings.SEARCH_SECONDS = 60
    assert ada.get("/").context["page"].rows == [large_incident]  # the next page is as before


def test_a_list_that_was_stopped_does_not_say_that_all_is_clear(ada: Client, settings: Any) -> None:
    settings.SEARCH_SECONDS = 0.000001
    shown = ada.get("/", {"status": "critical"}).content.decode()
    assert "The search was stopped" in shown
    assert "All clear" not in shown


def test_all_that_match_a_slow_search_are_not_selected(ada: Client) -> None:
    asked = {"what": "resolve", "all": "1", "matching": f"?q={SLOW}".replace("+", "%2B")}
    assert STOPPED in ada.post("/bulk", asked, follow=True).content.decode()


def test_a_preview_of_a_pattern_says_that_it_took_too_long(ada: Client) -> None:
    draft = {
        "tag": ["host"],
        "window": "60",
        "unit": "minutes",
        "filter": " OR ".join(f"t{n} = {SLOW}" for n in range(50)),
    }
    assert STOPPED in ada.get("/patterns/preview", draft).content.decode()


def test_the_api_refuses_a_slow_search_and_names_the_limit(
    admin: User, large_incident: Incident, settings: Any
) -> None:
    _, secret = ApiKey.issue(admin, name="Script", expires_at=None)
    script = DescribedClient(headers={"Authorization": f"Bearer {secret}"})
    incidents = "/resources/v2.0/environments/all/incidents"
    settings.SEARCH_SECONDS = 0.05
    refused = script.get(incidents, {"query": SLOW})
    assert refused.status_code == 400
    assert refused.json()["error"].startswith(f"CONSOLE_SEARCH_SECONDS: {STOPPED}")
    settings.SEARCH_SECONDS = 60
    assert script.get(incidents, {"query": "t1 = a* OR host = db-1"}).json()["total"] == 1


@pytest.mark.django_db
def test_the_database_stops_a_statement_and_the_next_one_has_its_time() -> None:
    def count(sql: str) -> int:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return int(cursor.fetchone()[0])

    with pytest.raises(SearchStopped), time_limit.limited(0.2):
        count(ENDLESS)
    assert count(ENDLESS.replace("1000000000", "300000")) == 300_000
    with time_limit.limited(60):
        assert count(ENDLESS.replace("1000000000", "1000")) == 1000
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() != ("1min",)


def test_a_limit_of_zero_is_none(admin: User, client: Client, post_event: PostEvent, settings: Any) -> None:
    post_event(host="db-1")
    settings.SEARCH_SECONDS = 0
    client.force_login(admin)
    assert [row.title for row in client.get("/", {"q": "/d.-1/"}).context["page"].rows] == ["db-1"]
