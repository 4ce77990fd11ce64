"""Tests of help in the feed: suggestions for a query, the note about a storm, and filters to remove."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from people.models import User
from tests.conftest import PostBatch, PostEvent


@pytest.fixture
def acting(client: Client, responder: User) -> Client:
    client.force_login(responder)
    return client


def suggested(client: Client, text: str) -> list[str]:
    return [each["text"] for each in client.get("/suggestions", {"q": text}).json()["suggestions"]]


def test_tags_operators_values_and_joints_are_suggested_where_they_belong(
    acting: Client, post_event: PostEvent
) -> None:
    post_event(host="db-1", team="payments")
    post_event(host="web-1", team="the shop")
    assert suggested(acting, "te") == ["team"]
    assert suggested(acting, "host = db-1 AND te") == ["team"]
    assert suggested(acting, "team ")[:2] == ["=", "!="]
    assert suggested(acting, "team = pa") == ["payments"]
    assert set(suggested(acting, "team = ")) == {"payments", '"the shop"'}
    assert suggested(acting, 'team = "the') == ['"the shop"']
    assert suggested(acting, "team IN [payments, th") == ['"the shop"']
    assert suggested(acting, "team = payments ") == ["AND", "OR"]
    assert suggested(acting, "status = cr") == ["critical"]
    assert suggested(acting, "source = ") == ["api.nagios"]
    assert "status" in suggested(acting, "(sta")


@pytest.mark.parametrize("text", ["", "((((", '"', "=", "a = = ", "\x00", "[" * 500, "a IN [", "ä = "])
def test_any_text_can_be_suggested_for(acting: Client, post_event: PostEvent, text: str) -> None:
    post_event(host="db-1")
    assert acting.get("/suggestions", {"q": text}).status_code == 200


def test_a_storm_is_told_with_where_it_comes_from(acting: Client, post_batch: PostBatch) -> None:
    cache.clear()
    assert "new alerts in the last" not in acting.get("/").content.decode()
    post_batch(*({"status": "critical", "host": "core-switch", "check": f"port {number}"} for number in range(60)))
    cache.clear()
    shown = strip_tags(acting.get("/").content.decode())
    assert "60 new alerts in the last 5 minutes" in shown
    assert "From Nagios (100 %)" in shown
    assert "core-switch (100 %)" in shown
    cache.clear()


def test_each_filter_is_a_chip_that_takes_it_off(acting: Client, responder: User, post_event: PostEvent) -> None:
    post_event(host="db-1")
    reply = acting.get("/?source=Nagios&owner=nobody&status=critical&q=db-1&sort=start&folder=unhandled")
    assert [row.title for row in reply.context["page"].rows] == ["db-1"]
    chips = {chip.label: chip.without for chip in reply.context["filter"].chips}
    assert chips == {
        "Search: db-1": "?folder=unhandled&status=critical&source=Nagios&owner=nobody&sort=start",
        "Source: Nagios": "?folder=unhandled&q=db-1&status=critical&owner=nobody&sort=start",
        "Nobody's": "?folder=unhandled&q=db-1&status=critical&source=Nagios&sort=start",
    }
    assert [row.title for row in acting.get("/?owner=me").context["page"].rows] == []
    assert [row.title for row in acting.get("/?source=Other").context["page"].rows] == []


def test_a_query_that_cannot_be_read_finds_nothing_and_says_where(acting: Client, post_event: PostEvent) -> None:
    post_event(host="db-1")
    reply = acting.get("/?q=host = = db-1")
    assert reply.context["page"].rows == []
    assert 'id="q-error"' in reply.content.decode()
    assert 'value="host = = db-1"' in reply.content.decode()


def test_panes_keep_the_width_they_are_given(acting: Client, responder: User) -> None:
    assert acting.post("/panes", {"sidebar": "300", "incident": "x"}).status_code == 204
    responder.refresh_from_db()
    assert responder.pane_widths == {"rail": 300}


@pytest.mark.django_db
def test_a_storm_is_over_five_minutes_after_its_alerts_opened(acting: Client, post_batch: PostBatch) -> None:
    def feed_after(seconds: int) -> str:
        with time_machine.travel(began + timedelta(seconds=seconds), tick=False):
            cache.clear()
            return strip_tags(acting.get("/").content.decode())

    began = timezone.now()
    with time_machine.travel(began, tick=False):
        post_batch(*({"status": "critical", "host": "switch", "check": f"port {number}"} for number in range(60)))
    assert "60 new alerts in the last 5 minutes" in feed_after(299)
    assert "new alerts in the last" not in feed_after(301)
    cache.clear()
