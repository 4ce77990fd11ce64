"""Tests of shadows and suggestions (docs/how-it-works.md §6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bpql import BpqlError
from incidents.models import Incident, Shadow, SuggestionRun
from incidents.replay import shadow, tasks
from people.models import User
from tests.conftest import PostBatch, PostEvent

pytestmark = pytest.mark.django_db
CLUSTER = {"tags": ["cluster"], "time_window": 60}


def found(on: Shadow) -> dict[str, Any]:
    """Advance a shadow, and return its result."""
    tasks.advance_shadows()
    on.refresh_from_db()
    assert on.result
    return on.result


def test_a_shadow_begins_when_it_is_switched_on_and_its_result_grows(post_event: PostEvent, admin: User) -> None:
    post_event(host="web-0", cluster="shop")
    on = shadow.switch_on([CLUSTER], by=admin)
    post_event(host="web-1", cluster="shop")
    assert found(on)["alerts"] == 1
    post_event(host="web-2", cluster="shop")
    post_event(host="web-3", cluster="shop")
    result = found(on)
    assert (result["alerts"], result["incidents_before"], result["incidents_after"]) == (3, 3, 1)
    assert result["merged"]["count"] == 1
    assert Incident.objects.count() == 4, "a shadow changes no incident"


def test_a_shadow_that_is_off_keeps_its_result_and_does_not_advance(post_event: PostEvent, admin: User) -> None:
    on = shadow.switch_on([CLUSTER], by=admin)
    post_event(host="web-1", cluster="shop")
    before = found(on)
    shadow.switch_off(on)
    post_event(host="web-2", cluster="shop")
    assert found(on) == before
    assert not on.is_on


def test_a_worker_without_memory_of_a_shadow_continues_where_it_was(post_event: PostEvent, admin: User) -> None:
    on = shadow.switch_on([CLUSTER], by=admin)
    post_event(host="web-1", cluster="shop")
    found(on)
    shadow._memories.clear()
    post_event(host="web-2", cluster="shop")
    result = found(on)
    assert (result["alerts"], result["incidents_after"], result["events"]) == (2, 1, 2)


def test_a_filter_with_an_error_is_refused_at_once(admin: User) -> None:
    with pytest.raises(BpqlError):
        shadow.switch_on([{**CLUSTER, "filter": "check ="}], by=admin)


def test_a_suggestion_has_tags_whose_values_form_groups(post_batch: PostBatch) -> None:
    post_batch(
        *(
            {
                "status": "critical",
                "host": f"web-{number}",
                "check": "http",
                "site": f"site-{number % 8}",
                "ticket": number,
            }
            for number in range(64)
        )
    )
    now = timezone.now()
    run = SuggestionRun.objects.create(since=now - timedelta(hours=1), until=now)
    tasks.suggest(run.pk)
    run.refresh_from_db()
    assert run.result
    assert (run.state, run.percent, run.result["alerts"]) == (SuggestionRun.State.DONE, 100, 64)
    # No two alerts have the same ticket, all have the same check, and a pattern by host exists.
    (one,) = run.result["suggestions"]
    assert (one["tags"], one["groups"], one["biggest"], one["compression"]) == (["site"], 8, 8, 0.875)
    assert one["reason"].startswith("100% of the alerts have site.")


def test_links_and_tags_of_very_few_values_are_suggested_last(post_batch: PostBatch) -> None:
    post_batch(
        *(
            {
                "status": "critical",
                "host": f"web-{number}",
                "runbook": f"https://wiki.example.com/{number % 8}",
                "region": ("east", "west")[number % 2],
                "site": f"site-{number % 16}",
            }
            for number in range(64)
        )
    )
    now = timezone.now()
    run = SuggestionRun.objects.create(since=now - timedelta(hours=1), until=now)
    tasks.suggest(run.pk)
    run.refresh_from_db()
    assert run.result
    by_site, *others = [(each["tags"], each["score"]) for each in run.result["suggestions"]]
    assert by_site[0] == ["site"]
    assert [tags for tags, _ in others] == [["region"], ["runbook"]]
    assert all(score > by_site[1] for _, score in others)


def test_a_past_without_alerts_suggests_nothing(db: None) -> None:
    now = timezone.now()
    run = SuggestionRun.objects.create(since=now - timedelta(hours=1), until=now)
    tasks.suggest(run.pk)
    run.refresh_from_db()
    assert run.result == {"alerts": 0, "incidents": 0, "compression": 0.0, "suggestions": []}
