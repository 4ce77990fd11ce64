"""Preparation of the database before the web process starts: migrate if needed, and create an administrator if there is no user.

The supervisor runs `python -m supervisor.first_start` as a process of its own. Importing Django in the supervisor would
cost its memory for as long as the console runs.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator

import django
from django.core.management import call_command
from django.db.migrations.executor import MigrationExecutor

from supervisor.preflight import SetupError

START_KEY = 0x57A27  # of an advisory lock, another one than that of correlation


def prepare() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
    django.setup()
    from django.conf import settings

    # One connection is enough here. Without the pool, the error of an unreachable server comes at once and names the server.
    settings.DATABASES["default"].get("OPTIONS", {}).pop("pool", None)
    with one_at_a_time():
        prepare_database()
    if settings.COLLECTED:
        call_command("collectstatic", interactive=False, verbosity=0)


def prepare_database() -> None:
    from django.contrib.auth import get_user_model
    from django.db import connection

    call_command("accept_secret_key", check=True)  # before anything is changed
    executor = MigrationExecutor(connection)
    refuse_half_migrated(executor)
    # Ask first: `migrate` sends its signals even when there is nothing to do.
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)
        call_command("accept_secret_key", check=True)
    if not get_user_model()._default_manager.exists():
        call_command("create_user", "admin", role="admin")


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one of several consoles that start at once on a PostgreSQL database prepare it. The others wait.

    The lock belongs to a transaction, so that it works through a pooler. The transaction has a connection of its own.
    """
    from django.db import connection, connections

    if connection.vendor != "postgresql":
        yield
        return
    waiting = connections.create_connection("default")
    try:
        waiting.set_autocommit(False)
        with waiting.cursor() as cursor:
            for limit in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
                cursor.execute(f"SET LOCAL {limit} = 0")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [START_KEY])
            yield
    finally:
        waiting.close()


def refuse_half_migrated(executor: MigrationExecutor) -> None:
    """Raise SetupError for a database that lacks some of the migrations which a squashed migration replaces."""
    applied = executor.loader.applied_migrations.keys()
    for squashed in executor.loader.replacements.values():
        missing = [name for app, name in squashed.replaces if (app, name) not in applied]
        if 0 < len(missing) < len(squashed.replaces):
            raise SetupError(
                f"This database was made by a console older than 0.1.0 and lacks {squashed.app_label} {missing[0]}. "
                "Start the last version before 0.1.0 on it once, then this one."
            )


def main() -> None:
    """Prepare the database. The supervisor shows the last line of stderr."""
    try:
        prepare()
    except Exception as error:  # noqa: BLE001 — a person reads any error
        traceback.print_exc()
        sys.exit(" ".join(str(error).split()))


if __name__ == "__main__":
    main()
