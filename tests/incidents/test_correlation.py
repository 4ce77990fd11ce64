"""Tests of correlation: which alerts are together, and how their incident changes.

The rules are in docs/wire-contract.md §4 and docs/how-it-works.md §4.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from alerts.events import Status
from alerts.models import Alert
from incidents import actions
from incidents.correlation import worker
from incidents.correlation.decide import (
    Candidate,
    Considered,
    CorrelationSubject,
    Decision,
    Matches,
    Pattern,
    considered,
    decide,
    evaluate,
)
from incidents.correlation.rollup import listed
from incidents.correlation.tasks import correlate_behind
from incidents.explain.considered import reasons
from incidents.models import Activity, CorrelationPattern, Incident, Matcher
from incidents.patterns import changes
from people.models import User
from tests.conftest import PostBatch, PostEvent

pytestmark = pytest.mark.django_db
NOW = int(time.time())


def verdicts(alert: Alert) -> dict[int, str]:
    return {each.pattern: each.verdict for each in reasons([alert], None)[alert.pk]}


def test_alerts_of_one_host_within_an_hour_are_one_incident(post_event: PostEvent) -> None:
    post_event(check="cpu", timestamp=NOW - 3500)
    post_event(check="disk", timestamp=NOW)
    incident = Incident.objects.get()
    assert (incident.title, incident.subtitle, incident.alerts_count, incident.active_count) == (
        "web-1",
        "cpu, disk",
        2,
        2,
    )


def test_alerts_of_one_host_more_than_an_hour_apart_are_two(post_event: PostEvent) -> None:
    post_event(check="cpu", timestamp=NOW - 3700)
    post_event(check="disk", timestamp=NOW)
    assert Incident.objects.count() == 2
    found = verdicts(Alert.objects.get(tags__check="disk"))
    assert found.pop(1) == "outside_window"
    assert set(found.values()) == {"missing_tag"}


def test_the_window_counts_from_the_first_alert_not_from_the_last(post_event: PostEvent) -> None:
    for number, ago in enumerate((7000, 3500, 0)):
        post_event(check=f"c{number}", timestamp=NOW - ago)
    assert sorted(Incident.objects.values_list("alerts_count", flat=True)) == [1, 2]


def test_the_same_check_of_a_cluster_is_one_incident_titled_by_what_is_shared(post_batch: PostBatch) -> None:
    post_batch(
        *({"status": "critical", "host": f"web-{number}", "cluster": "shop", "check": "http"} for number in range(6))
    )
    incident = Incident.objects.get()
    assert (incident.title, incident.subtitle) == ("shop · http", "web-0, web-1, web-2 and 3 more")
    assert incident.shared_tags == {"cluster": "shop", "check": "http"}


def test_only_patterns_that_all_alerts_match_stay_valid(post_event: PostEvent) -> None:
    post_event(host="web-1", cluster="shop", check="http")
    post_event(host="web-2", cluster="shop", check="http")  # joins by cluster and check, because the host differs
    # Joins nothing, because the alerts of the first incident do not share host web-1 any more.
    post_event(host="web-1", cluster="other", check="disk")
    assert Incident.objects.count() == 2
    first = Incident.objects.earliest("pk")
    assert [(matcher.pattern_id, matcher.valid) for matcher in first.matchers.order_by("pk")] == [
        (1, False),
        (2, True),
    ]


def test_an_alert_that_no_pattern_matches_is_its_own_incident(post_event: PostEvent) -> None:
    post_event(service="checkout", check="latency")
    post_event(service="checkout", check="errors")
    assert list(Incident.objects.order_by("pk").values_list("title", "subtitle")) == [
        ("checkout", "latency"),
        ("checkout", "errors"),
    ]


def test_a_pattern_that_is_off_groups_no_alerts(post_event: PostEvent) -> None:
    CorrelationPattern.objects.update(active=False)
    post_event(check="cpu")
    post_event(check="disk")
    assert Incident.objects.count() == 2


def test_a_resolved_incident_takes_no_new_alerts(post_event: PostEvent) -> None:
    post_event(check="cpu")
    post_event(check="cpu", status="ok")
    post_event(check="disk")
    assert Incident.objects.count() == 2


def test_a_full_incident_is_followed_by_another_that_names_it(post_event: PostEvent, settings: Any) -> None:
    settings.ALERTS_PER_INCIDENT = 2
    for number in range(5):
        post_event(check=f"c{number}")
    first, second, third = Incident.objects.order_by("pk")
    assert [incident.alerts_count for incident in (first, second, third)] == [2, 2, 1]
    assert (first.follows, second.follows, third.follows) == (None, first, second)


def test_the_limit_holds_within_one_group_too(post_batch: PostBatch, settings: Any) -> None:
    settings.ALERTS_PER_INCIDENT = 2
    post_batch(*({"status": "critical", "host": "web-1", "check": f"c{number}"} for number in range(5)))
    first, second, third = Incident.objects.order_by("pk")
    assert [incident.alerts_count for incident in (first, second, third)] == [2, 2, 1]
    assert (first.follows, second.follows, third.follows) == (None, first, second)
    assert Matcher.objects.filter(open=True).get().incident == third


def test_status_is_the_worst_now_and_severity_the_worst_ever(post_event: PostEvent) -> None:
    post_event(check="cpu", status="critical")
    post_event(check="disk", status="warning")
    post_event(check="cpu", status="ok")
    incident = Incident.objects.get()
    assert (incident.status, incident.severity) == (Status.WARNING, Status.CRITICAL)
    assert incident.status_counts == [1, 0, 0, 1, 0]


def test_an_incident_resolves_when_all_its_alerts_are_ok_and_reopens_when_one_returns(post_event: PostEvent) -> None:
    post_event(check="cpu")
    post_event(check="disk")
    post_event(check="cpu", status="ok")
    assert Incident.objects.get().is_open
    post_event(check="disk", status="ok")
    assert not Incident.objects.get().is_open
    post_event(check="cpu")
    assert Incident.objects.get().is_open
    kinds = list(Incident.objects.get().activities.order_by("pk").values_list("kind", flat=True))
    kind = Activity.Kind
    assert kinds == [kind.CREATED, kind.ALERTS_JOINED, kind.RESOLVED_BY_ALERTS, kind.REOPENED]


def test_a_reopened_incident_takes_new_alerts_again(post_event: PostEvent) -> None:
    post_event(check="cpu")
    post_event(check="cpu", status="ok")
    post_event(check="cpu")
    post_event(check="disk")
    assert Incident.objects.get().alerts_count == 2


def test_of_two_open_incidents_with_one_key_the_later_one_is_joined(post_event: PostEvent) -> None:
    post_event(check="a")
    post_event(check="a", status="ok")
    post_event(check="b")
    post_event(check="a")  # reopens the first incident
    post_event(check="c")
    assert [incident.alerts_count for incident in Incident.objects.order_by("pk")] == [1, 2]


def test_a_late_event_moves_the_start_of_alert_and_incident_back(post_event: PostEvent) -> None:
    post_event(timestamp=NOW)
    post_event(status="warning", timestamp=NOW - 600)
    assert Incident.objects.get().started_at.timestamp() == NOW - 600


def test_an_alert_that_ended_before_correlation_saw_it_still_opens_an_incident(post_batch: PostBatch) -> None:
    post_batch({"status": "critical", "host": "web-1"}, {"status": "ok", "host": "web-1"})
    incident = Incident.objects.get()
    assert (incident.is_open, incident.severity) == (False, Status.CRITICAL)


def test_the_delay_of_correlation_makes_no_difference(post_batch: PostBatch) -> None:
    story = [
        ("a", "critical", 900),
        ("b", "critical", 800),
        ("a", "ok", 700),
        ("c", "critical", 600),
        ("c", "ok", 500),
        ("b", "ok", 400),
    ]
    post_batch(
        *(
            {"host": f"web-{name}", "cluster": "k", "check": "c", "status": status, "timestamp": NOW - ago}
            for name, status, ago in story
        )
    )
    incident = Incident.objects.get()
    assert (incident.alerts_count, incident.is_open) == (3, False)
    assert incident.resolved_at is not None
    assert incident.resolved_at.timestamp() == NOW - 400


def test_an_alert_that_started_after_the_end_opens_a_new_incident_at_any_delay(post_batch: PostBatch) -> None:
    story = [("a", "critical", 900), ("a", "ok", 700), ("b", "critical", 600), ("b", "ok", 500)]
    post_batch(
        *(
            {"host": f"web-{name}", "cluster": "k", "check": "c", "status": status, "timestamp": NOW - ago}
            for name, status, ago in story
        )
    )
    assert Incident.objects.count() == 2


def test_an_incident_that_a_person_resolved_takes_no_more_alerts(post_event: PostEvent, responder: User) -> None:
    post_event(check="cpu", timestamp=NOW - 600)
    actions.resolve(Incident.objects.get(), by=responder)
    post_event(check="disk", timestamp=NOW - 300)
    first, second = Incident.objects.order_by("pk")
    assert (first.is_open, second.is_open) == (False, True)


def test_running_correlation_again_changes_nothing(post_event: PostEvent) -> None:
    post_event(check="cpu")
    before = list(Incident.objects.values())
    assert correlate_behind() == 0
    assert list(Incident.objects.values()) == before


@pytest.mark.django_db(transaction=True)
def test_commits_after_correlation_wait_for_the_disk_again(post_event: PostEvent) -> None:
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        if not is_sqlite:
            cursor.execute("SET synchronous_commit = on")  # which the server of the tests does not have
        post_event()
        assert Incident.objects.count() == 1
        cursor.execute("PRAGMA synchronous" if is_sqlite else "SHOW synchronous_commit")
        assert cursor.fetchone() == (2 if is_sqlite else "on",)
    connection.close()


def test_an_alert_left_behind_by_a_lost_message_is_found_by_the_sweep(post_event: PostEvent) -> None:
    post_event(check="cpu")
    Alert.objects.update(correlated_revision=0)
    Alert.objects.update(incident=None, decision=None, counted_status=None)
    assert correlate_behind() == 1
    assert Alert.objects.get().incident is not None


def test_one_batch_of_a_thousand_alerts_equals_a_thousand_batches_of_one(
    post_batch: PostBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [
        {
            "host": f"h{number % 40}",
            "check": f"c{number % 7}",
            "cluster": f"k{number % 5}",
            "status": ("critical", "ok", "warning")[number % 3],
        }
        for number in range(1000)
    ]
    monkeypatch.setattr(worker, "LONGEST_PAUSE", 0)
    monkeypatch.setattr(worker, "BATCH_SIZE", 1000)
    post_batch(*items)
    at_once = _shape()
    for model in (Matcher, Activity):
        model.objects.all().delete()
    Alert.objects.update(incident=None, decision=None, counted_status=None, correlated_revision=0)
    Incident.objects.all().delete()
    monkeypatch.setattr(worker, "BATCH_SIZE", 1)
    assert correlate_behind() > 100
    assert _shape() == at_once


def _shape() -> list[Any]:
    fields = (
        "title",
        "subtitle",
        "status",
        "severity",
        "alerts_count",
        "active_count",
        "status_counts",
        "shared_tags",
        "started_at",
        "resolved_at",
    )
    return [
        (tuple(getattr(incident, name) for name in fields), set(incident.alerts.values_list("identifier", flat=True)))
        for incident in Incident.objects.order_by("pk")
    ]


def test_a_batch_needs_the_same_number_of_queries_at_any_size(
    post_batch: PostBatch, django_assert_max_num_queries: Any
) -> None:
    post_batch(*({"host": f"h{number}", "status": "critical"} for number in range(200)))
    Alert.objects.update(correlated_revision=0)
    with django_assert_max_num_queries(20):
        correlate_behind()


def test_windows_move_with_the_late_start_of_the_first_alert(post_event: PostEvent) -> None:
    post_event(check="cpu", timestamp=NOW - 600)
    post_event(check="cpu", status="warning", timestamp=NOW - 3000)  # a late event, which moves the start back
    post_event(check="disk", timestamp=NOW - 6500)  # within an hour of the new start, but not of the former one
    post_event(check="net", timestamp=NOW)
    assert Incident.objects.count() == 1
    post_event(check="swap", timestamp=NOW + 700)
    assert Incident.objects.count() == 2


def test_the_log_of_matchers_has_the_patterns_of_each_step(post_event: PostEvent) -> None:
    post_event(host="web-1", cluster="shop", check="http")
    post_event(host="web-2", cluster="shop", check="http")
    by_host, by_check = Incident.objects.get().correlation_matchers_log[0]
    assert by_host["tags"] == [{"name": "host", "value": "web-1"}]
    assert (by_check["time_window"], by_check["source_system"]) == (3600, "*")
    assert Incident.objects.get().correlation_matchers_log == [[by_host, by_check], [by_check]]


def test_the_log_of_matchers_is_empty_if_no_pattern_matched(post_event: PostEvent) -> None:
    post_event(service="checkout")
    assert Incident.objects.get().correlation_matchers_log == [[]]


def test_the_reasons_stay_those_of_the_time_when_the_alert_came(post_event: PostEvent, admin: User) -> None:
    post_event(host="web-1", check="cpu", service="shop")
    alert = Alert.objects.get()
    found = reasons([alert], None)[alert.pk]
    assert verdicts(alert) == {1: "alone", 2: "missing_tag", 3: "missing_tag", 4: "missing_tag", 5: "inactive"}
    by_host, by_cluster, by_device, *_, by_service = changes.in_order()
    changes.edit(by_host, changes.read({"tags": ["check"], "time_window": 5}), by=admin)
    changes.set_active(by_cluster, False, by=admin)
    changes.set_active(by_service, True, by=admin)
    changes.delete(by_device, by=admin)
    post_event(host="web-1", check="cpu", service="other", cluster="eu", status="warning")
    alert = Alert.objects.get()
    assert alert.tags["cluster"] == "eu"
    assert reasons([alert], None)[alert.pk] == found


# --- the decision alone

HOST = Pattern(1, 1, ("host",), timedelta(minutes=60))
CHECK = Pattern(2, 1, ("cluster", "check"), timedelta(minutes=60), cross_source=False)


def _subject(source: str = "api.a", **tags: str) -> CorrelationSubject:
    return CorrelationSubject(source, dict(tags), timezone.now())


def _decided(subject: CorrelationSubject, candidates: dict[str, list[Candidate]]) -> tuple[Decision, list[Considered]]:
    decision = decide(subject, Matches(subject, [HOST, CHECK]), lambda key: candidates.get(key, []))
    return decision, considered(evaluate(subject, [HOST, CHECK]), decision.met)


def test_a_decision_says_why_each_pattern_won_or_lost() -> None:
    subject = _subject(host="h", cluster="k", check="c")
    by_host, by_check = Matches(subject, [HOST, CHECK])
    candidates = {by_check.key: [Candidate(7, subject.started_at)]}
    decision, found = _decided(subject, candidates)
    assert (decision.incident, decision.winner) == (7, by_check)
    assert [each.verdict for each in found] == ["alone", "joined"]
    candidates[by_host.key] = [Candidate(5, subject.started_at)]
    decision, found = _decided(subject, candidates)
    assert (decision.incident, decision.winner) == (5, by_host)
    assert [each.verdict for each in found] == ["joined", "outranked"]


def test_a_decision_says_why_the_nearest_incident_cannot_be_joined() -> None:
    subject = _subject(host="h", cluster="k", check="c")
    by_host, by_check = Matches(subject, [HOST, CHECK])
    assert by_check.any_source_key
    early = subject.started_at - timedelta(hours=2)
    cases = [
        (Candidate(1, early), "outside_window"),
        (Candidate(2, subject.started_at, is_resolved=True), "incident_resolved"),
        (Candidate(3, subject.started_at, is_full=True), "full"),
    ]
    for number, (candidate, verdict) in enumerate(cases, start=1):
        against = [each for each, _ in cases[:number]]
        of_others = {by_check.any_source_key: [Candidate(9, subject.started_at)]}
        _, (first, second) = _decided(subject, {by_host.key: against, **of_others})
        assert (first.verdict, first.incident) == (verdict, candidate.incident)
        assert (second.verdict, second.incident) == ("other_source", 9)


def test_a_new_incident_follows_the_first_full_incident_and_no_other() -> None:
    subject = _subject(host="h", cluster="k", check="c")
    by_host, by_check = Matches(subject, [HOST, CHECK])
    full = {
        key: [Candidate(number, subject.started_at, is_full=True)]
        for number, key in ((3, by_host.key), (4, by_check.key))
    }
    decision, _ = _decided(subject, full)
    assert (decision.incident, decision.follows) == (None, 3)
    early = [Candidate(1, subject.started_at - timedelta(hours=2))]
    decision, _ = _decided(subject, {by_host.key: early})
    assert (decision.incident, decision.follows) == (None, None)


def test_an_incident_of_another_source_is_named_only_if_the_alert_starts_in_its_window_while_it_is_open() -> None:
    subject = _subject(cluster="k", check="c")
    (match,) = Matches(subject, [CHECK])
    assert match.any_source_key
    window = CHECK.time_window
    for candidate, verdict in (
        (Candidate(9, subject.started_at - window), "other_source"),
        (Candidate(9, subject.started_at - window - timedelta(seconds=1)), "alone"),
        (Candidate(9, subject.started_at, is_resolved=True), "alone"),
    ):
        _, (_, found) = _decided(subject, {match.any_source_key: [candidate]})
        assert found.verdict == verdict


def test_a_pattern_that_is_switched_off_leaves_alerts_to_the_patterns_after_it(post_event: PostEvent) -> None:
    CorrelationPattern.objects.filter(pk=1).update(active=False)
    post_event(host="web-1", cluster="shop", check="http")
    post_event(host="web-1", cluster="shop", check="http 2")
    post_event(host="web-2", cluster="shop", check="http")
    assert [incident.alerts_count for incident in Incident.objects.order_by("pk")] == [2, 1]


def test_a_pattern_matches_only_alerts_that_pass_its_filter_and_none_while_it_is_off() -> None:
    only_shops = replace(HOST, filter=lambda subject: subject.tags.get("cluster") == "shop")
    off = replace(only_shops, active=False)
    shop, other = _subject(host="h", cluster="shop"), _subject(host="h")
    assert tuple(Matches(shop, [only_shops])) == evaluate(shop, [only_shops])
    assert [*Matches(other, [only_shops]), *Matches(shop, [off])] == []
    (found,) = evaluate(other, [only_shops])
    assert isinstance(found, Considered)
    assert found.verdict == "filtered_out"
    (found,) = evaluate(shop, [off])
    assert isinstance(found, Considered)
    assert (found.verdict, found.values) == ("inactive", {"host": "h"})
    assert evaluate(other, [off]) == ()


def test_a_pattern_that_does_not_cross_sources_has_a_key_per_source() -> None:
    tags = {"cluster": "k", "check": "c"}
    (one,), (other,) = (Matches(_subject(source, **tags), [CHECK]) for source in ("api.a", "api.b"))
    assert one.key != other.key
    assert one.any_source_key == other.any_source_key


def test_correlation_gives_way_to_each_storm_for_half_a_minute() -> None:
    pacing = worker.StormPacing()
    assert [pacing.gives_way(float(second), is_storm=True) for second in range(60)] == [True] * 30 + [False] * 30
    assert not pacing.gives_way(60.0, is_storm=False)
    assert not pacing.gives_way(61.0, is_storm=True), "a pause of one second does not end a storm"
    assert not pacing.gives_way(63.5, is_storm=False)
    assert pacing.gives_way(64.0, is_storm=True)


def test_correlation_gives_way_for_half_a_minute_also_with_long_batches() -> None:
    pacing = worker.StormPacing()
    assert [pacing.gives_way(10.0 * look, is_storm=True) for look in range(5)] == [True] * 3 + [False] * 2


def open_matchers() -> set[int | None]:
    return set(Matcher.objects.filter(open=True).values_list("incident", flat=True))


def test_the_follow_up_of_a_full_incident_takes_over_its_open_matchers(post_event: PostEvent, settings: Any) -> None:
    settings.ALERTS_PER_INCIDENT = 1
    post_event(check="cpu")
    post_event(check="disk")
    first, second = Incident.objects.order_by("pk")
    assert (first.is_open, second.is_open) == (True, True)
    assert open_matchers() == {second.pk}


def test_a_reopened_incident_leaves_open_matchers_to_an_incident_that_opened_later(post_event: PostEvent) -> None:
    post_event(check="a")
    post_event(check="a", status="ok")
    post_event(check="b")
    post_event(check="a")
    first, second = Incident.objects.order_by("pk")
    assert (first.is_open, second.is_open) == (True, True)
    assert open_matchers() == {second.pk}


def test_a_reopened_incident_has_its_open_matchers_again_where_no_other_incident_has_them(
    post_event: PostEvent,
) -> None:
    post_event(check="a")
    post_event(check="a", status="ok")
    assert open_matchers() == set()
    post_event(check="a")
    assert open_matchers() == {Incident.objects.get().pk}


@pytest.mark.parametrize(("started", "incidents"), [(701, 1), (700, 2), (699, 2)])
def test_an_alert_that_starts_at_the_very_end_of_an_incident_does_not_join_it(
    started: int, incidents: int, post_batch: PostBatch
) -> None:
    story = [("a", "critical", 900), ("a", "ok", 700), ("b", "critical", started), ("b", "ok", 500)]
    post_batch(
        *(
            {"host": f"web-{name}", "cluster": "k", "check": "c", "status": status, "timestamp": NOW - ago}
            for name, status, ago in story
        )
    )
    assert Incident.objects.count() == incidents


@pytest.mark.parametrize(("seconds", "incidents"), [(3600, 1), (3601, 2)])
def test_an_alert_at_the_very_edge_of_the_window_still_joins(
    seconds: int, incidents: int, post_event: PostEvent
) -> None:
    post_event(check="cpu", timestamp=NOW - seconds)
    post_event(check="disk", timestamp=NOW)
    assert Incident.objects.count() == incidents


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (4, "n0, n1, n2, n3"),
        (5, "n0, n1, n2 and 2 more"),
        (9, "n0, n1, n2 and 6 more"),
        (10, "n0, n1, n2 and 7 or more others"),
    ],
)
def test_a_subtitle_names_up_to_four_hosts_or_three_and_the_number_of_the_others(names: int, text: str) -> None:
    assert listed([f"n{number}" for number in range(names)]) == text


def test_correlation_pauses_in_a_storm_for_a_multiple_of_its_last_batch(post_batch: PostBatch) -> None:
    assert worker._pause(1, 0.05, worker.StormPacing()) == 0
    sqlite = worker.SQLITE_PAUSE if connection.vendor == "sqlite" else 0
    assert worker._pause(worker.BATCH_SIZE, 0.05, worker.StormPacing()) == sqlite
    with time_machine.travel(timezone.now(), tick=False):
        post_batch(*({"status": "critical", "host": f"h{number}"} for number in range(worker.STORM_EVENTS + 1)))
        assert worker._pause(100, 0.05, worker.StormPacing()) == worker.STORM_PAUSE * 0.05
        assert worker._pause(100, 10, worker.StormPacing()) == worker.LONGEST_PAUSE
        # A batch that is quick for its size is no reason to pause.
        assert worker._pause(worker.BATCH_SIZE - 1, 0.01, worker.StormPacing()) == 0


def test_an_incident_changes_when_the_status_of_an_alert_changes_or_an_alert_joins(post_event: PostEvent) -> None:
    def changed() -> float:
        return NOW - Incident.objects.get().changed_at.timestamp()

    post_event(check="cpu", timestamp=NOW - 600)
    assert changed() == 600
    post_event(check="cpu", status="warning", timestamp=NOW - 500)
    assert changed() == 500
    post_event(check="cpu", status="warning", description="still", timestamp=NOW - 400)  # the status stays
    assert changed() == 500
    post_event(check="disk", timestamp=NOW - 300)
    assert changed() == 300
    post_event(check="cpu", status="critical", timestamp=NOW - 350)  # late for the incident, not for its alert
    assert changed() == 300
