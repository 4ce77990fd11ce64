"""Tasks about people. Each task is safe to run twice, late, or beside itself."""

from __future__ import annotations

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from people.models import BrowserSession


@shared_task(name="people.tasks.forget_sessions")
def forget_sessions() -> int:
    """Delete the sessions that have ended, and return the number of browsers."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
    return BrowserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()[0]
