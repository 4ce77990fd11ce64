"""Tests of replays: the incidents of live correlation, and reports about other rules (docs/how-it-works.md §6.1)."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from alerts.models import Alert
from appkeys.models import AppKey
from incidents import actions
from incidents.correlation import worker as correlation_worker
from incidents.models import CorrelationBatch, Incident, ReplayRun
from incidents.replay import runs, tasks
from people.models import User
from tests.conftest import PostBatch
from tests.incidents import worker
from tests.incidents.streams import Stream, act, differences, install_patterns, live, replayed, store
from tests.running_console import eventually


@pytest.fixture
def app_keys(db: None) -> list[AppKey]:
    return [AppKey.issue(name=name)[0] for name in ("Nagios", "Prometheus", "Zabbix")]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", [1, 2])
def test_a_replay_reaches_the_same_incidents_as_one_worker(
    seed: int, app_keys: list[AppKey], responder: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlation_worker, "LONGEST_PAUSE", 0)
    install_patterns()
    draw = random.Random(seed)
    for place, batch in enumerate(Stream(seed)):
        store(app_keys, batch, place)
        if draw.random() < 0.6:  # else correlation falls behind
            correlation_worker.correlate_behind()
        if draw.random() < 0.05:
            act(draw, responder)
    correlation_worker.correlate_behind()
    assert differences(replayed(), live()) == []


@pytest.mark.django_db(transaction=True)
def test_a_replay_reaches_the_same_incidents_as_four_workers_of_which_one_is_killed(
    app_keys: list[AppKey], responder: User
) -> None:
    install_patterns()
    draw = random.Random(4)
    workers = [worker.start() for _ in range(4)]
    batches = list(Stream(4))
    for place, batch in enumerate(batches):
        store(app_keys, batch, place)
        if place == len(batches) // 2:
            eventually(lambda: CorrelationBatch.objects.exists(), "a worker was at work")
            workers[0].kill()
        if draw.random() < 0.05:
            act(draw, responder)
    eventually(lambda: not Alert.objects.filter(revision__gt=F("correlated_revision")).exists(), "all was correlated")
    for each in workers:
        each.communicate()
    assert differences(replayed(), live()) == []


@pytest.mark.django_db
def test_a_killed_worker_and_repeated_messages_leave_the_same_incidents(
    app_keys: list[AppKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Roll back batches of several sizes, as a kill does, while several hundred alerts are behind."""
    install_patterns()
    monkeypatch.setattr(correlation_worker, "LONGEST_PAUSE", 0)
    for place, batch in enumerate(Stream(5)):
        store(app_keys, batch, place)
    with transaction.atomic():
        correlation_worker.correlate_behind()
        in_order = live()
        transaction.set_rollback(True)
    for size in (7, 31, 100):
        monkeypatch.setattr(correlation_worker, "BATCH_SIZE", size)
        with transaction.atomic():
            correlation_worker.correlate_batch()  # killed before the commit
            transaction.set_rollback(True)
        correlation_worker.correlate_batch()
        correlation_worker.correlate_batch()
    correlation_worker.correlate_behind()
    correlation_worker.correlate_behind()
    assert differences(live(), in_order) == []


# --- reports about other rules


def run(**fields: Any) -> ReplayRun:
    """Carry out a replay of the last hour."""
    now = timezone.now()
    made = ReplayRun.objects.create(since=now - timedelta(hours=1), until=now, **fields)
    tasks.replay(made.pk)
    made.refresh_from_db()
    return made


def shop(post_batch: PostBatch) -> None:
    """Send two alerts for each of two hosts in one cluster. The patterns of the tests group them by host."""
    post_batch(
        *(
            {"status": "critical", "host": host, "cluster": "shop", "check": check}
            for host in ("web-1", "web-2")
            for check in ("cpu", "disk")
        )
    )


HOST = {"tags": ["host"], "time_window": 60}
CLUSTER = {"tags": ["cluster"], "time_window": 60}


@pytest.mark.django_db
def test_the_rules_that_were_in_force_change_nothing(post_batch: PostBatch) -> None:
    shop(post_batch)
    done = run()
    assert done.state == ReplayRun.State.DONE
    assert done.percent == 100
    assert done.result
    assert (done.result["alerts"], done.result["incidents_before"], done.result["incidents_after"]) == (4, 2, 2)
    assert (done.result["merged"]["count"], done.result["split"]["count"], done.result["alone"]["count"]) == (0, 0, 0)


@pytest.mark.django_db
def test_a_wider_draft_would_have_merged_two_incidents(post_batch: PostBatch) -> None:
    shop(post_batch)
    result = run(rules=[CLUSTER]).result
    assert result
    assert (result["incidents_before"], result["incidents_after"]) == (2, 1)
    assert (result["compression_before"], result["compression_after"]) == (0.5, 0.75)
    both = sorted(Incident.objects.values_list("pk", flat=True))
    assert result["merged"]["shown"] == [{"title": "shop", "incidents": both, "alerts": 4}]
    (group,) = result["groups"]
    assert (group["title"], group["alerts"], group["objects"]) == ("shop", 4, 2)
    assert group["tags"] == [{"name": "cluster", "value": "shop"}]
    assert result["joined"] == 2


@pytest.mark.django_db
def test_a_merge_of_incidents_that_a_draft_has_merged_already_changes_nothing(
    post_batch: PostBatch, responder: User
) -> None:
    shop(post_batch)
    first, second = Incident.objects.order_by("pk")
    actions.merge(first, [second], by=responder)
    result = run(rules=[CLUSTER]).result
    assert result
    assert (result["incidents_before"], result["incidents_after"]) == (1, 1)


@pytest.mark.django_db
def test_a_narrower_draft_would_have_split_them_and_left_alerts_alone(post_batch: PostBatch) -> None:
    shop(post_batch)
    result = run(rules=[{"tags": ["host", "check"], "time_window": 60}]).result
    assert result
    assert (result["incidents_before"], result["incidents_after"]) == (2, 4)
    assert [each["into"] for each in result["split"]["shown"]] == [2, 2]
    assert result["alone"]["count"] == 4


@pytest.mark.django_db
def test_a_group_that_is_too_wide_is_reported_with_the_reason(post_batch: PostBatch) -> None:
    post_batch(*({"status": "critical", "host": f"web-{number}", "cluster": "shop"} for number in range(40)))
    result = run(rules=[CLUSTER]).result
    assert result
    assert [each["why"] for each in result["warnings"]["shown"]] == [["It gathers 40 different objects."]]


@pytest.mark.django_db
def test_the_order_of_the_rules_decides_and_a_rule_that_is_off_does_not_count(post_batch: PostBatch) -> None:
    shop(post_batch)
    by_host, by_cluster = run(rules=[{**CLUSTER, "active": False}, HOST]), run(rules=[CLUSTER, HOST])
    assert by_host.result
    assert by_cluster.result
    assert (by_host.result["incidents_after"], by_cluster.result["incidents_after"]) == (2, 1)


@pytest.mark.django_db
def test_a_filter_limits_a_draft_and_a_filter_with_an_error_fails_the_run(post_batch: PostBatch) -> None:
    shop(post_batch)
    done = run(rules=[{**CLUSTER, "filter": "check = cpu"}])
    assert done.result
    assert done.result["incidents_after"] == 3
    broken = run(rules=[{**CLUSTER, "filter": "check ="}])
    assert broken.state == ReplayRun.State.FAILED
    assert broken.error.startswith("A filter cannot be read:")


@pytest.mark.django_db
def test_a_replay_that_was_cancelled_or_done_is_not_done_again(post_batch: PostBatch) -> None:
    shop(post_batch)
    now = timezone.now()
    made = ReplayRun.objects.create(since=now - timedelta(hours=1), until=now)
    made.cancel()
    tasks.replay(made.pk)
    made.refresh_from_db()
    assert (made.state, made.result) == (ReplayRun.State.CANCELLED, None)
    done = run()
    tasks.replay(done.pk)
    done.refresh_from_db()
    assert done.attempt == 1


@pytest.mark.django_db
def test_alerts_from_before_the_range_place_the_others_and_are_not_counted(post_batch: PostBatch) -> None:
    post_batch({"status": "critical", "host": "web-1", "check": "cpu"})
    middle = timezone.now()
    post_batch({"status": "critical", "host": "web-1", "check": "disk"}, {"status": "critical", "host": "web-2"})
    made = ReplayRun.objects.create(since=middle, until=timezone.now(), rules=[HOST])
    tasks.replay(made.pk)
    made.refresh_from_db()
    assert made.result
    assert (made.result["alerts"], made.result["incidents_after"], made.result["alone"]["count"]) == (2, 2, 0)


@pytest.mark.django_db
def test_a_worker_that_was_silent_for_too_long_writes_nothing_once_another_is_at_its_run() -> None:
    now = timezone.now()
    made = ReplayRun.objects.create(since=now - timedelta(hours=1), until=now)

    def first(_: ReplayRun, progress: runs.Progress) -> dict[str, Any]:
        ReplayRun.objects.update(alive_at=now - 2 * runs.SILENCE)

        def second(_: ReplayRun, progress_of_second: runs.Progress) -> dict[str, Any]:
            progress_of_second(2)
            with pytest.raises(runs.Stopped):
                progress(1)
            made.refresh_from_db()
            assert made.done == 2
            return {"by": "second"}

        runs._carry_out(ReplayRun, made.pk, second, total=lambda _: 2)
        return {"by": "first"}

    runs._carry_out(ReplayRun, made.pk, first, total=lambda _: 2)
    made.refresh_from_db()
    assert (made.state, made.attempt, made.result) == (ReplayRun.State.DONE, 2, {"by": "second"})
