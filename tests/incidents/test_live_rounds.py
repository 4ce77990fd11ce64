"""How often the views that somebody watches are made."""

from __future__ import annotations

from bigpanda_site.streams import rest_after


def test_after_a_round_that_was_held_up_for_minutes_pages_are_told_again_within_seconds() -> None:
    assert rest_after(300) <= 5


def test_making_views_takes_a_fifth_of_one_core() -> None:
    assert rest_after(0.2) / (rest_after(0.2) + 0.2) == 0.8


def test_two_rounds_are_never_closer_than_a_quarter_of_a_second() -> None:
    assert rest_after(0) == 0.25
