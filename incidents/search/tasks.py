"""Tasks on the `actions` queue that trim the search texts. Each task is safe to run twice, late, or beside itself."""

from __future__ import annotations

from celery import shared_task

from incidents.search import index


@shared_task(name="incidents.tasks.forget_search_texts")
def forget_search_texts() -> int:
    """Delete the search texts of resolved incidents."""
    return index.forget()
