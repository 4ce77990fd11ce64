"""An integration's page says how much it sends, and what had to be repaired."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from people.models import User
from tests.conftest import PostEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(admin: User, app_key: Any) -> Any:
    client = Client()
    client.force_login(admin)
    return lambda: re.sub(r"\s*([<>])\s*", r"\1", client.get(f"/integrations/{app_key.pk}").content.decode())


def test_it_counts_accepted_and_duplicate_events(page: Any, post_event: PostEvent) -> None:
    assert "The last 24 hours" not in page()
    post_event()
    post_event()
    assert "<dt>Accepted</dt><dd>1</dd>" in page()
    assert "<dt>Duplicates</dt><dd>1</dd>" in page()
    assert "This one sends more" not in page()


def test_above_the_guideline_it_says_so_and_refuses_nothing(page: Any, post_event: PostEvent, app_key: Any) -> None:
    post_event()
    app_key.traffic.update(accepted=301)
    assert "This one sends more" in page()
    assert post_event(host="web-2").status_code == 201


def test_a_dropped_tag_is_listed_with_what_was_done(page: Any, post_event: PostEvent) -> None:
    post_event(**{"<b>nested": {"a": 1}})
    assert "nested objects are not supported; the tag was dropped" in page()
    assert "&lt;b&gt;nested" in page()
