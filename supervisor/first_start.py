"""Preparation of the database before the web process starts: migrate if needed, and create an administrator if there is no user.

The supervisor runs `python -m supervisor.first_start` as a process of its own. Importing Django in the supervisor would cost its memory for as
long as the console runs.
"""

from __future__ import annotations

import os
import sys
import traceback

import django
from django.core.management import call_command


def prepare() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
    django.setup()
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    # One connection is enough here. Without the pool, the error of an unreachable server comes at once and names the server.
    settings.DATABASES["default"].get("OPTIONS", {}).pop("pool", None)
    executor = MigrationExecutor(connection)
    if executor.migration_plan(
        executor.loader.graph.leaf_nodes()
    ):  # `migrate` sends its signals even when there is nothing to do
        call_command("migrate", interactive=False, verbosity=0)
    if not get_user_model()._default_manager.exists():
        call_command("create_user", "admin", role="admin")


def main() -> None:
    """Prepare the database. The supervisor shows the last line of stderr."""
    try:
        prepare()
    except Exception as error:  # noqa: BLE001 — a person reads any error
        traceback.print_exc()
        sys.exit(" ".join(str(error).split()))


if __name__ == "__main__":
    main()
