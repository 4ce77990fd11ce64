"""The Celery application: `celery -A bigpanda_site worker`."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")

app = Celery("bigpanda_site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
