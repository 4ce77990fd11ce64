"""Before the web process starts: migrate if needed; with nobody there yet, make an administrator.

`python -m supervisor.first_start`, started by the supervisor as a process of its own so that the supervisor stays
small: importing Django there would cost its memory for as long as the console runs.
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

    # One connection is enough here, and without the pool a server that is away is told at once and by name.
    settings.DATABASES["default"].get("OPTIONS", {}).pop("pool", None)
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):  # asking first spares the signals after `migrate`
        call_command("migrate", interactive=False, verbosity=0)
    if not get_user_model()._default_manager.exists():
        call_command("create_user", "admin", role="admin")


def main() -> None:
    """The last line on stderr is what the supervisor shows."""
    try:
        prepare()
    except Exception as error:  # noqa: BLE001 — whatever it is, a person reads it
        traceback.print_exc()
        sys.exit(" ".join(str(error).split()))


if __name__ == "__main__":
    main()
