"""Preparing the database before the web process starts."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

CODE = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.any_database


def prepare(data: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    command = [sys.executable, "-m", "supervisor.first_start"]
    return subprocess.run(
        command, cwd=CODE, env={**environment, "CONSOLE_DATA": str(data)}, capture_output=True, text=True
    )


def test_a_database_that_lacks_half_of_a_squashed_migration_is_refused_with_the_way_out(tmp_path: Path) -> None:
    assert prepare(tmp_path).returncode == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "console.sqlite3")) as database, database:
        database.execute("DELETE FROM django_migrations WHERE app = 'people'")
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('people', '0001_user', CURRENT_TIMESTAMP)"
        )

    refused = prepare(tmp_path)

    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "This database was made by a console older than 0.1.0 and lacks people 0002_audit_entry. "
        "Start the last version before 0.1.0 on it once, then this one."
    )
