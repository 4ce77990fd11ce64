"""Tests of trials of a pattern over the past, before people put the pattern in force."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from incidents.models import CorrelationPattern, Incident, ReplayRun, Shadow, SuggestionRun
from incidents.patterns import changes, trials
from incidents.replay.tasks import advance_shadows
from people.models import User

FORM = {"tag": ["cluster"], "window": "60", "unit": "minutes", "cross_source": "on", "active": "on", "days": "7"}


@pytest.fixture
def page(client: Client, admin: User) -> Client:
    CorrelationPattern.objects.all().delete()
    client.force_login(admin)
    return client


@pytest.fixture
def press(page: Client, django_capture_on_commit_callbacks: Any) -> Any:
    """Send a form, and run what the form leaves to a worker."""

    def post(path: str, data: dict[str, Any]) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return page.post(path, data)

    return post


@pytest.fixture
def day(page: Client, post_batch: Any) -> None:
    """Send four alerts of two clusters, each of which opens an incident of its own."""
    post_batch(*({"status": "critical", "host": f"h{n}", "cluster": f"c{n % 2}"} for n in range(4)))


def said(reply: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", reply.content.decode())).split())


def test_a_draft_shows_what_it_would_have_made_and_is_then_enabled(page: Client, press: Any, day: None) -> None:
    reply = press("/patterns/new", {**FORM, "try": "1"})
    assert not CorrelationPattern.objects.exists()
    text = said(page.get(reply.url))
    assert "Incidents 4 → 2" in text
    assert "Compression 0.0 % → 50.0 %" in text
    assert "2 groups would gather what are several incidents now" in text
    first, *_ = Incident.objects.order_by("pk")
    assert f'href="/incidents/{first.pk}"' in page.get(reply.url).content.decode()
    assert Incident.objects.count() == 4
    enabled = press(f"{reply.url}/enable", {})
    pattern = CorrelationPattern.objects.get()
    assert enabled.url == f"/patterns/{pattern.pk}"
    assert pattern.tags == ["cluster"]
    again = said(page.get(reply.url))
    assert "Its rules are those in force now." in again
    press(f"{reply.url}/enable", {})
    assert CorrelationPattern.objects.count() == 1


def test_a_change_of_a_pattern_is_tried_in_its_place(page: Client, press: Any, post_batch: Any, admin: User) -> None:
    pattern = changes.create(changes.read({"tags": ["cluster"], "time_window": 60}), by=admin)
    post_batch(*({"status": "critical", "host": f"h{n}", "cluster": "c"} for n in range(3)))
    reply = press(f"/patterns/{pattern.pk}/edit", {**FORM, "seen": pattern.as_of, "filter": "host != h2", "try": "1"})
    text = said(page.get(reply.url))
    assert "Incidents 1 → 2" in text
    assert "1 incident would have been several" in text
    assert "1 alert would have been left alone" in text
    changes.edit(pattern, changes.read({"tags": ["cluster"], "time_window": 5}), by=admin)
    refused = page.post(f"{reply.url}/enable", follow=True)
    assert "ada has changed this pattern meanwhile" in said(refused)
    pattern.refresh_from_db()
    assert pattern.time_window == 5


def test_another_order_is_tried_and_enabled(page: Client, press: Any, day: None, admin: User) -> None:
    host, cluster = (
        changes.create(changes.read({"tags": [tag], "time_window": 60, **more}), by=admin)
        for tag, more in (("host", {"filter": "rack != r9"}), ("cluster", {"active": False}))
    )
    reply = press("/patterns/order", {f"place-{host.pk}": "2", f"place-{cluster.pk}": "1", "try": "1", "days": "1"})
    text = said(page.get(reply.url))
    assert "Order same cluster within 1 hour, switched off same host within 1 hour where rack != r9" in text
    press(f"{reply.url}/enable", {})
    assert [each.pk for each in CorrelationPattern.objects.present()] == [cluster.pk, host.pk]


def test_a_trial_shows_its_progress_and_can_be_left_and_cancelled(page: Client, admin: User) -> None:
    now = timezone.now()
    run = ReplayRun.objects.create(
        rules=[], since=now - timedelta(days=1), until=now, by=admin, state="running", done=1, total=4
    )
    text = said(page.get(f"/patterns/tries/{run.pk}"))
    assert "Looking at the past: 25 %" in text
    assert "You can leave this page" in text
    part = page.get(f"/patterns/tries/{run.pk}", headers={"HX-Request": "true", "HX-Target": "trial"}).content.decode()
    assert 'hx-trigger="every 1s"' in part
    assert "<html" not in part
    page.post(f"/patterns/tries/{run.pk}/cancel")
    assert "Cancelled" in said(page.get(f"/patterns/tries/{run.pk}"))
    assert "Cancelled" in said(page.get("/patterns/tries"))


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        ({"days": ""}, "Choose the last days, or the first and the last day."),
        ({"days": "", "since": "2026-02-02", "until": "2026-02-01"}, "The first day comes after the last."),
        ({"days": "", "since": "2026-01-01", "until": "2026-12-31"}, "At most 92 days can be tried at once."),
        ({"days": "5000"}, "Select a valid choice."),
    ],
)
def test_a_range_that_makes_no_sense_is_refused_and_the_draft_is_kept(
    page: Client, dates: dict[str, str], message: str
) -> None:
    reply = page.post("/patterns/new", {**FORM, **dates, "try": "1"})
    assert message in said(reply)
    assert 'value="cluster"' in reply.content.decode()
    assert not ReplayRun.objects.exists()


def test_chosen_days_are_whole_days(page: Client, press: Any, day: None) -> None:
    today = timezone.now().date().isoformat()
    reply = press("/patterns/new", {**FORM, "days": "", "since": today, "until": today, "try": "1"})
    run = ReplayRun.objects.get()
    assert run.since.time().isoformat() == "00:00:00"
    assert "Alerts 4" in said(page.get(reply.url))


def test_a_group_that_looks_too_wide_is_warned_of(page: Client, press: Any, post_batch: Any) -> None:
    post_batch(*({"status": "critical", "host": f"h{n}", "site": "s"} for n in range(31)))
    reply = press("/patterns/new", {**FORM, "tag": ["site"], "try": "1"})
    text = said(page.get(reply.url))
    assert f"31 alerts, now in #{Incident.objects.earliest('pk').pk}" in text
    assert "It gathers 31 different objects." in text


def test_who_may_only_look_sees_results_and_no_buttons(page: Client, press: Any, day: None, viewer: User) -> None:
    reply = press("/patterns/new", {**FORM, "try": "1"})
    page.force_login(viewer)
    assert "Incidents 4 → 2" in said(page.get(reply.url))
    assert "Enable" not in said(page.get(reply.url))
    for change in ("enable", "cancel", "again"):
        assert page.post(f"{reply.url}/{change}").status_code == 403


def test_a_new_draft_stands_where_its_window_puts_it_unless_the_order_is_set(admin: User) -> None:
    CorrelationPattern.objects.all().delete()
    for tag, window in (("a", 120), ("b", 30)):
        changes.create(changes.read({"tags": [tag], "time_window": window}), by=admin)
    draft = changes.read({"tags": ["c"], "time_window": 60})
    assert [rule["tags"] for rule in trials.with_draft(draft)] == [["a"], ["c"], ["b"]]
    changes.move(CorrelationPattern.objects.get(tags=["b"]), -1, by=admin)
    assert [rule["tags"] for rule in trials.with_draft(draft)] == [["b"], ["a"], ["c"]]


# --- shadows and suggestions


def test_a_shadow_shows_the_difference_as_it_grows_and_is_enabled(
    page: Client, press: Any, day: None, post_batch: Any
) -> None:
    tried = press("/patterns/new", {**FORM, "try": "1"})
    begun = press(f"{tried.url}/shadow", {})
    assert "No alert has come since it was switched on" in said(page.get(begun.url))
    post_batch(*({"status": "critical", "host": f"n{n}", "cluster": "c9"} for n in range(3)))
    advance_shadows()
    assert "Incidents 3 → 1" in said(page.get(begun.url))
    assert Incident.objects.count() == 7
    part = page.get(begun.url, headers={"HX-Request": "true", "HX-Target": "shadow"}).content.decode()
    assert 'hx-trigger="every 5s"' in part
    assert "In the shadow" in said(page.get("/patterns/tries"))
    press(f"{begun.url}/enable", {})
    assert CorrelationPattern.objects.get().tags == ["cluster"]
    assert not Shadow.objects.get().is_on


def test_a_shadow_is_switched_off_and_keeps_what_it_found(page: Client, press: Any, day: None) -> None:
    begun = press(f"{press('/patterns/new', {**FORM, 'try': '1'}).url}/shadow", {})
    press(f"{begun.url}/off", {})
    text = said(page.get(begun.url))
    assert "No alert came while it was on." in text
    assert not Shadow.objects.get().is_on


def test_the_past_suggests_patterns_each_with_its_preview(page: Client, press: Any, post_batch: Any) -> None:
    post_batch(*({"status": "critical", "host": f"h{n}", "cluster": f"c{n % 8}"} for n in range(40)))
    press("/patterns/suggestions", {"days": "1"})
    text = said(page.get("/patterns/suggestions"))
    assert "From 40 alerts, now in 40 incidents" in text
    assert "Same cluster within" in text
    assert "80.0 % compression" in text
    tried = press(f"/patterns/suggestions/{SuggestionRun.objects.get().pk}/try", {"suggestion": "0"})
    assert "Incidents 40 → 8" in said(page.get(tried.url))
    press(f"{tried.url}/enable", {})
    assert CorrelationPattern.objects.get().suggested_at


def test_where_nothing_can_be_suggested_that_is_said(page: Client, press: Any) -> None:
    press("/patterns/suggestions", {"days": "1"})
    assert "Nothing to suggest" in said(page.get("/patterns/suggestions"))


def test_a_suggestion_can_be_written_by_hand(page: Client) -> None:
    text = page.get("/patterns/new?tag=cluster&tag=check&minutes=240").content.decode()
    assert 'value="cluster"' in text
    assert 'value="check"' in text
    assert 'value="4"' in text
