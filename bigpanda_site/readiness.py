"""Problems that keep this console from its work, as `/readyz` names them (docs/monitoring.md)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from telemetry import publisher

logger = logging.getLogger(__name__)
ALIVE_SECONDS = 60
BROKER_SECONDS = 1.0  # the longest wait for the broker
# The loops that must have run lately, with the process that runs each, and a broker or none. The queues are those with
# a task that beat sends every few seconds.
LOOPS = {"beat": "beat", "correlation": "the worker of correlation"}
LOOPS_WITH_BROKER = {"actions": "the worker of the queue actions", "jobs": "the worker of the queue jobs"}


class Problem(NamedTuple):
    """A part of the console that does not work, and what is wrong with it."""

    part: str
    text: str


def problems() -> list[Problem]:
    """Return what does not work. An empty list says that everything does."""
    try:
        publisher.publish()
        found = [*_missing_migrations(), *_silent_loops()]
    except DatabaseError as error:
        logger.warning("readyz: the database cannot be written: %s", error)
        found = [
            Problem("database", f"It cannot be written: {type(error).__name__}. The log of the web process says more.")
        ]
    return [*found, *_broker()]


def _missing_migrations() -> Iterator[Problem]:
    missing = _migrations_of_the_code() - set(MigrationRecorder(connection).applied_migrations())
    if missing:
        first = ".".join(min(missing))
        yield Problem(
            "migrations",
            f"{len(missing)} are missing in the database, the first is {first}. Run: ./console manage migrate",
        )


@cache
def _migrations_of_the_code() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).graph.nodes)


def _silent_loops() -> Iterator[Problem]:
    for name, process in {**LOOPS, **(LOOPS_WITH_BROKER if settings.REDIS_URL else {})}.items():
        last = publisher.last_tick(name)
        if last is None:
            yield Problem(name, f"It has never run here. Is {process} started?")
        elif time.time() - last > ALIVE_SECONDS:
            since = datetime.fromtimestamp(last, UTC).isoformat(timespec="seconds")
            yield Problem(name, f"It last ran at {since}. Is {process} alive?")


def _broker() -> Iterator[Problem]:
    if not settings.REDIS_URL:
        return
    try:
        broker().ping()
    except (redis.RedisError, OSError) as error:
        yield Problem("broker", f"It does not answer: {type(error).__name__}.")


@cache
def broker() -> redis.Redis:
    """Return a connection to the broker that gives up soon."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=BROKER_SECONDS, socket_connect_timeout=BROKER_SECONDS
    )
