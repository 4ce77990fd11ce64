"""A process that correlates what is behind until its standard input ends."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

CODE = Path(__file__).resolve().parent.parent.parent


def start() -> subprocess.Popen[bytes]:
    """Start a worker on the test's database."""
    from django.db import connection

    database = connection.settings_dict
    server = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}"
    url = (server if connection.vendor == "postgresql" else "sqlite:///{NAME}").format(**database)
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.incidents.worker"], cwd=CODE, env=environment, stdin=subprocess.PIPE
    )


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
    django.setup()
    from incidents.correlation import worker

    while not select.select([sys.stdin], [], [], 0.01)[0]:
        worker.correlate_behind()


if __name__ == "__main__":
    main()
