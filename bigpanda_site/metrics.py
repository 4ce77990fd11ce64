"""The metrics of the console in the text format of Prometheus (docs/monitoring.md)."""

from __future__ import annotations

import hmac
import platform
from collections.abc import Iterator
from ipaddress import ip_address

import redis
from django.conf import settings
from django.db import connection

from bigpanda_site import __version__
from bigpanda_site.readiness import LOOPS, LOOPS_WITH_BROKER, broker
from incidents.correlation import backlog
from telemetry import counts, publisher

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Each metric in the order of the reply: its type and its meaning.
METRICS = {
    "console_build_info": ("gauge", "1, with the version of the console, of Python and the kind of database."),
    "console_backlog_alerts": ("gauge", f"Alerts that wait for correlation, counted up to {backlog.COUNTED}."),
    "console_backlog_age_seconds": ("gauge", "Age of the oldest event that correlation has not seen. 0 if there is none."),
    "console_broker_up": ("gauge", "1 if the broker answers. Absent in a console without a broker."),
    "console_queue_length": ("gauge", "Tasks that wait in a queue of the broker."),
    "console_last_tick_seconds": ("gauge", "When a loop last ran, in seconds since 1970: beat, correlation, and each queue of tasks."),
    "console_streams_open": ("gauge", "Pages that receive live updates, in all web processes."),
    "console_database_lock_waits": ("gauge", "Sessions of PostgreSQL that wait for a lock now."),
    "console_lock_waits_total": ("counter", "Waits for the correlation lock, or on SQLite for the write lock."),
    "console_lock_wait_seconds_total": ("counter", "Seconds of those waits."),
    "console_events_total": ("counter", "Events by outcome: accepted, duplicate or rejected."),
    "console_refused_requests_total": ("counter", "Requests of senders that were answered with an error, by status."),
    "console_accept_seconds": ("histogram", "Seconds from a valid request of a sender to the commit of its events."),
    "console_deliveries_total": ("counter", "Mails of shared incidents by outcome: sent or failed."),
}  # fmt: skip
# Counts that are shown as 0 before the first of their kind.
ALWAYS = [
    *(f'console_events_total{{outcome="{outcome}"}}' for outcome in ("accepted", "duplicate", "rejected")),
    *(f'console_deliveries_total{{outcome="{outcome}"}}' for outcome in ("sent", "failed")),
    *("console_lock_waits_total", "console_lock_wait_seconds_total", "console_accept_seconds_count"),
]


def may_read(*, authorization: str, address: str | None, is_forwarded: bool) -> bool:
    """Return whether a request has the token, or comes from a listed address.

    A request that a proxy forwarded is never from this machine, whatever address it names.
    """
    token = settings.METRICS_TOKEN
    if token and hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
        return True
    try:
        client = ip_address(address or "")
    except ValueError:
        return False
    if client.is_loopback and is_forwarded:
        return False
    return any(client in network for network in settings.METRICS_ADDRESSES)


def render() -> str:
    """Return all metrics. Counts are the sums of all processes on this database."""
    publisher.publish()
    samples: dict[str, list[str]] = {name: [] for name in METRICS}
    for name, value in [*_gauges(), *(dict.fromkeys(ALWAYS, 0.0) | publisher.totals()).items()]:
        family = name.partition("{")[0]
        if family not in samples:  # of a histogram
            family = family.rpartition("_")[0]
        if family in samples:
            samples[family].append(f"{name} {value:.15g}")
    lines = []
    for name, values in samples.items():
        if values:
            kind, meaning = METRICS[name]
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", *_in_order(kind, values)]
    return "\n".join([*lines, ""])


def _in_order(kind: str, lines: list[str]) -> list[str]:
    if kind != "histogram":
        return sorted(lines)
    limits = [*map("{:g}".format, counts.accept_seconds.limits), "+Inf"]

    def place(line: str) -> int:
        return next((at for at, limit in enumerate(limits) if f'le="{limit}"' in line), len(limits))

    return sorted(lines, key=place)


def _gauges() -> Iterator[tuple[str, float]]:
    vendor, python = connection.vendor, platform.python_version()
    yield f'console_build_info{{version="{__version__}",python="{python}",database="{vendor}"}}', 1
    waiting = backlog.read()
    yield "console_backlog_alerts", waiting.waiting
    yield "console_backlog_age_seconds", round(waiting.age.total_seconds(), 3)
    yield "console_streams_open", publisher.sum_now("streams")
    for loop in (*LOOPS, *LOOPS_WITH_BROKER, "deliveries"):
        if last := publisher.last_tick(loop):
            yield f'console_last_tick_seconds{{loop="{loop}"}}', round(last, 3)
    yield from _queues()
    if vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            yield "console_database_lock_waits", cursor.fetchone()[0]


def _queues() -> Iterator[tuple[str, float]]:
    if not settings.REDIS_URL:
        return
    try:
        lengths = {queue: broker().llen(queue) for queue in settings.QUEUES}
    except (redis.RedisError, OSError):
        yield "console_broker_up", 0
        return
    yield "console_broker_up", 1
    for queue, length in lengths.items():
        yield f'console_queue_length{{queue="{queue}"}}', float(length)
