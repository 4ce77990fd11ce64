"""Keys that grow with time."""

from __future__ import annotations

import threading
import time
from datetime import datetime

_last_key = 0
_last_key_lock = threading.Lock()


def time_ordered_key() -> int:
    """A 63-bit key that grows with time: microseconds since 1970, times 512, plus what keeps keys of one process apart and growing.

    Rows can be written in bulk without asking the database for keys first, and history can be trimmed and partitioned by key. Two processes that
    make the same key at once collide on the primary key, and the write is tried again.
    """
    global _last_key
    with _last_key_lock:
        _last_key = max(_last_key + 1, time.time_ns() // 1000 << 9)
        return _last_key


def key_at(moment: datetime) -> int:
    """The first key that can have been made at that moment or after it."""
    return round(moment.timestamp() * 1e6) << 9
