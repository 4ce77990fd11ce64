"""When each secret was last used: noted in memory, written when that was some seconds ago, so that thousands of requests a second cost one write."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError

from appkeys.models import AppKey, OrgToken

logger = logging.getLogger(__name__)
WRITTEN_EVERY = timedelta(seconds=10)

_lock = threading.Lock()
_noted: dict[str, datetime] = {}  # digest -> when; to be written
_written: dict[str, datetime] = {}


def note(*digests: str) -> None:
    """These secrets were used just now, and found right."""
    now = datetime.now(UTC)
    with _lock:
        for digest in digests:
            if digest not in _written or now - _written[digest] > WRITTEN_EVERY:
                _noted[digest] = now


def flush() -> None:
    """Write what was noted."""
    with _lock:
        noted = dict(_noted)
        _noted.clear()
        _written.update(noted)
    try:
        for digest, at in noted.items():
            if not OrgToken.objects.filter(digest=digest).update(last_used_at=at):
                _ = AppKey.objects.filter(digest=digest).update(last_used_at=at) or AppKey.objects.filter(
                    old_digest=digest
                ).update(old_used_at=at)
    except DatabaseError as error:
        logger.warning("usage: when secrets were last used is not written: %s", error)
