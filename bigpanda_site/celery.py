"""The Celery application: `celery -A bigpanda_site worker`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")

app = Celery("bigpanda_site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()  # the apps' own tasks.py
app.autodiscover_tasks([f"incidents.{name}" for name in ("actions", "correlation", "environments", "replay", "search")])


def catch_up(**_: Any) -> None:
    """Correlate what was left behind when a worker starts. The first alert then finds every module loaded."""
    app.send_task("incidents.tasks.correlate_behind")


worker_ready.connect(catch_up)
