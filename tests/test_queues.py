"""Celery's queues: one for each purpose, and no task without one."""

from __future__ import annotations

from django.conf import settings

from bigpanda_site import celery_app
from supervisor.supervisor import WORKERS

PACKAGES = ("alerts.", "appkeys.", "incidents.", "people.")


def own_tasks() -> set[str]:
    celery_app.loader.import_default_modules()
    return {name for name in celery_app.tasks if name.startswith(PACKAGES)}


def test_every_task_of_the_console_is_in_the_queue_of_its_purpose() -> None:
    assert own_tasks() == settings.CELERY_TASK_ROUTES.keys()
    assert set(settings.QUEUES) == {"correlation", "actions", "deliveries", "jobs"}


def test_only_correlation_itself_is_in_its_queue() -> None:
    assert settings.QUEUES["correlation"] == ("incidents.tasks.correlate_behind", "incidents.tasks.calm_down")


def test_a_worker_that_names_no_queue_takes_all_of_them() -> None:
    assert set(celery_app.amqp.queues.consume_from) == set(settings.QUEUES)


def test_the_workers_of_console_up_take_all_of_them() -> None:
    taken = {queue for _, queues, _ in WORKERS for queue in queues.split(",")}
    assert taken == set(settings.QUEUES)


def test_beat_schedules_only_tasks_that_exist() -> None:
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= own_tasks()
