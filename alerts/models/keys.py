"""Keys that grow with time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

_last_key = 0
_last_key_lock = threading.Lock()


def time_ordered_key() -> int:
    """Return a new 63-bit key: microseconds since 1970, times 512, and greater than all former keys of this process.

    With such keys, rows are written in sets without asking the database for keys first, and ranges of time are ranges
    of keys. If two processes make the same key at the same time, the primary key raises a conflict, and the write is
    repeated.
    """
    global _last_key
    with _last_key_lock:
        _last_key = max(_last_key + 1, time.time_ns() // 1000 << 9)
        return _last_key


def key_at(moment: datetime) -> int:
    """Return the first key that can be made at a moment or after it."""
    return round(moment.timestamp() * 1e6) << 9


def made_at(key: int) -> datetime:
    """Return the moment at which a key was made."""
    return datetime.fromtimestamp((key >> 9) / 1e6, UTC)
