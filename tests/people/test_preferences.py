"""Preferences that the console remembers with a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from people.models import User
from people.templatetags.console_tags import moment
from tests.conftest import PostEvent


def test_a_theme_follows_a_person_to_another_browser(viewer: User) -> None:
    here, there = Client(), Client()
    for client in (here, there):
        client.force_login(viewer)
    here.post("/theme", {"theme": "dark"})
    assert 'data-theme="dark"' in there.get("/").content.decode()


@pytest.mark.parametrize(
    ("chosen", "browsers", "shown"),
    [
        ("Asia/Kolkata", "Europe/Berlin", "2023-11-15 03:43"),
        ("", "Europe/Berlin", "2023-11-14 23:13"),
        ("", "no/zone", "2023-11-14 22:13"),
    ],
)
def test_times_are_in_the_chosen_zone_or_the_browsers(
    client: Client, viewer: User, post_event: PostEvent, chosen: str, browsers: str, shown: str
) -> None:
    User.objects.update(time_zone=chosen)
    client.force_login(viewer)
    client.cookies["zone"] = browsers
    post_event(host="db-1", timestamp=1_700_000_000)
    assert (
        f'<time datetime="2023-11-14T22:13:20+00:00" data-show="ago">{shown}</time>' in client.get("/").content.decode()
    )


def test_without_scripts_a_time_in_a_row_is_the_clock_of_today_and_the_date_of_other_days() -> None:
    now = timezone.now()
    assert f">{now:%H:%M}</time>" in moment(now)
    assert f">since {now:%H:%M}</time>" in moment(now, "long")
    before = now - timedelta(days=3)
    assert f">{before:%Y-%m-%d %H:%M}</time>" in moment(before)
    assert f">{now:%Y-%m-%d %H:%M:%S} +00:00</time>" in moment(now, "since")


def test_keys_can_be_turned_off(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    assert "keys.js" in client.get("/").content.decode()
    User.objects.update(shortcuts=False)
    assert "keys.js" not in client.get("/").content.decode()


def test_a_person_says_how_they_like_the_console(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    liked = {"time_zone": "Asia/Kolkata", "theme": "dark", "density": "compact"}
    shown = client.post("/me/preferences", liked, follow=True).content.decode()
    assert '<option value="Asia/Kolkata" selected>' in shown
    assert 'data-theme="dark"' in shown
    assert 'data-density="compact"' in shown
    assert "keys.js" not in shown


def test_a_time_zone_that_is_none_is_refused_at_its_field(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    shown = client.post(
        "/me/preferences", {"time_zone": "Mars/Olympus", "theme": "dark", "density": "compact"}
    ).content.decode()
    assert "Mars/Olympus is not a time zone" in shown
    viewer.refresh_from_db()
    assert viewer.time_zone == ""
