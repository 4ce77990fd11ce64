"""The Celery application: `celery -A bigpanda_site worker`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, Task
from celery.signals import (
    beat_init,
    before_task_publish,
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_init,
    worker_ready,
)

from db.broker import Guard

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
_guard = Guard("tasks", meanwhile="workers look for alerts in the database")


class SentIfPossible(Task):
    """A task whose message may be lost. The work is in the database, where a sweep finds it."""

    def apply_async(self, *arguments: Any, **options: Any) -> Any:
        """Send the task, and return None where Redis does not take it."""
        return _guard.attempt(lambda: super(SentIfPossible, self).apply_async(*arguments, **options), lambda: None)


app = Celery("bigpanda_site", task_cls=SentIfPossible)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()  # the apps' own tasks.py
app.autodiscover_tasks([f"incidents.{name}" for name in ("actions", "correlation", "environments", "replay", "search")])


def _kind(sender: Any) -> str:
    """Return the kind of this process by the sender of a signal."""
    return "beat" if type(sender).__module__ == "celery.beat" else "worker"


def start_reporting(sender: Any = None, **_: Any) -> None:
    from bigpanda_site import reporting

    reporting.start(_kind(sender))


worker_init.connect(start_reporting)  # first: it reports failures of the others
beat_init.connect(start_reporting)


def catch_up(**_: Any) -> None:
    """Correlate what was left behind when a worker starts. The first alert then finds every module loaded."""
    app.send_task("incidents.tasks.correlate_behind")


def prepare_worker(sender: Any, **_: Any) -> None:
    """Limit the waits for the database, give signs of life, and look for alerts that are behind, with or without a broker."""
    from bigpanda_site import heartbeat
    from db.connections import limit_worker
    from incidents.correlation import poll

    limit_worker()
    heartbeat.beat_in_thread()
    usually_correlates = "correlation" in sender.app.amqp.queues.consume_from
    poll.start(patience=poll.PATIENCE if usually_correlates else poll.PATIENCE_OF_OTHERS)


def start_heartbeat(**_: Any) -> None:
    from bigpanda_site import heartbeat

    heartbeat.beat_in_thread()


def check_secret_key(**_: Any) -> None:
    """End a worker whose secret key differs from that of the other consoles. Celery would only log another exception."""
    from django.core.exceptions import ImproperlyConfigured

    from people import secret_key

    try:
        secret_key.check()
    except ImproperlyConfigured as refusal:
        raise SystemExit(str(refusal)) from None


worker_init.connect(prepare_worker)
worker_init.connect(check_secret_key)
beat_init.connect(check_secret_key)
worker_ready.connect(catch_up)
beat_init.connect(start_heartbeat)


def publish_counts(sender: Any = None, **_: Any) -> None:
    """Publish the counts of this process: of a worker, of each process of its pool, or of beat."""
    from telemetry import publisher

    publisher.start(_kind(sender))


for starting in (worker_init, worker_process_init, beat_init):
    starting.connect(publish_counts)


def note_queue(sender: Any = None, **_: Any) -> None:
    """Note that the queue of a task is worked on. Correlation notes that itself, also where no task asked for it."""
    from telemetry import counts

    queue = app.conf.task_routes.get(getattr(sender, "name", ""), {}).get("queue", "")
    if queue and queue != "correlation":
        counts.tick(queue)


task_postrun.connect(note_queue)


def send_request_id(headers: Any = None, **_: Any) -> None:
    """Send the id of the request that causes a task with the task."""
    from bigpanda_site import request_ids

    if headers is not None and (identifier := request_ids.current.get()):
        headers["request_id"] = identifier


def take_request_id(task: Any = None, **_: Any) -> None:
    from bigpanda_site import request_ids

    if not task.request.is_eager:  # an eager task runs in its request
        request_ids.current.set(task.request.get("request_id") or "")


before_task_publish.connect(send_request_id)
task_prerun.connect(take_request_id)


def start_outgoing_heartbeat(**_: Any) -> None:
    from bigpanda_site import outgoing_heartbeat

    outgoing_heartbeat.start()


beat_init.connect(start_outgoing_heartbeat)
