"""Redis, without which the console keeps working: short waits, and a memory of when Redis was away.

Redis carries messages, counts and copies. The database holds everything that must not be lost. So a caller never waits
long for Redis and never fails because of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)
TIMEOUTS = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}  # seconds
# After a failed attempt, nobody asks for this time. After a slow failure the pause is a multiple of the attempt, so
# that callers hardly ever wait for a Redis that accepts connections and does not answer.
PAUSE_SECONDS = 2.0
PAUSE = 4  # times the duration of the attempt
ERRORS = (redis.RedisError, OperationalError, OSError)
T = TypeVar("T")


class Guard:
    """Memory of whether one use of Redis works. While it does not work, one caller at a time asks it again."""

    def __init__(self, use: str, *, meanwhile: str) -> None:
        self._use, self._meanwhile = use, meanwhile
        self._is_away = False
        self._pause_ends = 0.0

    def attempt(self, ask: Callable[[], T], otherwise: Callable[[], T]) -> T:
        """Return the result of `ask`, or of `otherwise` while Redis is away, full, or does not answer."""
        began = time.monotonic()
        if self._is_away:
            if began < self._pause_ends:
                return otherwise()
            self._pause_ends = began + PAUSE_SECONDS  # the other callers do not wait for this attempt
        try:
            result = ask()
        except ERRORS as error:
            now = time.monotonic()
            self._pause_ends = now + max(PAUSE_SECONDS, PAUSE * (now - began))
            if not self._is_away:
                logger.warning("Redis is away for %s: %s. Meanwhile %s.", self._use, error, self._meanwhile)
            self._is_away = True
            return otherwise()
        if self._is_away:
            self._is_away = False
            logger.warning("Redis is back for %s.", self._use)
        return result


_cache_guard = Guard("the cache", meanwhile="each process has its own")


class GuardedCache(RedisCache):
    """Django's cache in Redis, and while Redis is away a cache in the memory of this process."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, {**params, "OPTIONS": {**TIMEOUTS, **params.get("OPTIONS", {})}})
        self._local = LocMemCache("without Redis", params)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> Any:
        """Store a value if the key has none. Return whether it had none."""
        return self._guarded("add", key, value, timeout, version)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._guarded("get", key, default, version)

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._guarded("set", key, value, timeout, version)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> Any:
        return self._guarded("touch", key, timeout, version)

    def delete(self, key: Any, version: int | None = None) -> Any:
        return self._guarded("delete", key, version)

    def get_many(self, keys: Any, version: int | None = None) -> Any:
        return self._guarded("get_many", keys, version)

    def has_key(self, key: Any, version: int | None = None) -> Any:
        return self._guarded("has_key", key, version)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> Any:
        """Add to a number and return the sum. Raise ValueError where the key has no value."""
        return self._guarded("incr", key, delta, version)

    def set_many(self, data: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> Any:
        return self._guarded("set_many", data, timeout, version)

    def delete_many(self, keys: Any, version: int | None = None) -> None:
        self._guarded("delete_many", keys, version)

    def clear(self) -> Any:
        return self._guarded("clear")

    def _guarded(self, name: str, *arguments: Any) -> Any:
        return _cache_guard.attempt(
            lambda: getattr(super(GuardedCache, self), name)(*arguments),
            lambda: getattr(self._local, name)(*arguments),
        )
