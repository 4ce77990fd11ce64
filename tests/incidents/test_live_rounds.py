"""Tests of the rounds of live views, and of what a page is told that has just been opened."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from bigpanda_site.live_stream import OpenPage, Watchers, rest_after
from incidents.feed.live_view import view_key
from people.models import User


def test_after_a_round_that_was_held_up_for_minutes_pages_are_told_again_within_seconds() -> None:
    assert rest_after(300) <= 5


def test_making_views_takes_a_fifth_of_one_core() -> None:
    assert rest_after(0.2) / (rest_after(0.2) + 0.2) == 0.8


def test_two_rounds_are_never_closer_than_a_quarter_of_a_second() -> None:
    assert rest_after(0) == 0.25


def test_a_page_is_told_of_what_changed_while_it_was_on_its_way() -> None:
    async def come(*incidents: str) -> list[bytes]:
        watchers = Watchers()
        rounds = asyncio.create_task(watchers.run())
        watchers.nudge("7")
        while watchers.changed:
            await asyncio.sleep(0)
        page = OpenPage(1, set(), set(incidents), wants_all=False)
        await watchers.join(page, {})
        rounds.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await rounds
        return [page.waiting.get_nowait() for _ in range(page.waiting.qsize())]

    keeps_up = b"event: backlog\ndata: none\n\n"
    assert asyncio.run(come("7")) == [keeps_up, b"event: incident\ndata: 7\n\n"]
    assert asyncio.run(come("8")) == [keeps_up]


@pytest.mark.django_db
def test_people_of_one_role_share_a_live_view_unless_the_view_is_about_themselves(responder: User) -> None:
    colleague = User.objects.create_user("rita", role=responder.role)
    for query in ("", "folder=active", "owner=nobody"):
        assert view_key(query, responder) == view_key(query, colleague)
    for query in ("owner=me", "folder=active&owner=me", "shared=me"):
        assert view_key(query, responder) != view_key(query, colleague)


@pytest.mark.django_db
def test_people_of_two_roles_share_no_live_view(responder: User, viewer: User) -> None:
    assert view_key("", responder) != view_key("", viewer)
