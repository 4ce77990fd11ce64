"""Limits of connections to PostgreSQL by the kind of process, so that one that hangs does not hold up the others.

Migrations and commands have no limits. Behind a pooler no setting of a session can be changed; there the operator gives
the limits to the role of the console (README.md, Pooler).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Limits:
    """Longest times in seconds."""

    lock: float  # a statement waits for a lock
    statement: float

    def as_settings(self) -> dict[str, str]:
        """Return PostgreSQL's settings.

        A process that hangs inside a transaction keeps its locks. PostgreSQL then ends the transaction, sooner than the
        supervisor ends the process. The server notices a host that vanished by its keepalives.
        """
        return {
            "lock_timeout": f"{self.lock * 1000:.0f}",
            "statement_timeout": f"{self.statement * 1000:.0f}",
            "idle_in_transaction_session_timeout": f"{settings.HUNG_SECONDS * 1000 * 2 // 3}",
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        }


PAGES = Limits(lock=5, statement=30)
FAST_PATH = Limits(lock=4, statement=30)
# A worker may wait while another one works on many incidents.
WORK = Limits(lock=60, statement=900)
_of_this_process: Limits | None = None


def limit(limits: Limits) -> None:
    """Set the limits of all connections that this process opens from now on."""
    global _of_this_process
    _of_this_process = limits


def are_set() -> bool:
    return _of_this_process is not None


def apply(link: Any, limits: Limits | None = None) -> None:
    """Set the limits of a new connection, unless it leads to a pooler, which has a process number of its own."""
    if limits := limits or _of_this_process:
        names = limits.as_settings()
        changes = ", ".join(["set_config(%s, %s, false)"] * len(names))
        values = [text for pair in names.items() for text in pair]
        link.execute(f"SELECT {changes} WHERE pg_backend_pid() = %s", [*values, link.info.backend_pid])
