"""Preparing the database before the web process starts."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CODE = Path(__file__).resolve().parent.parent


def prepare(data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    command = [sys.executable, "-m", "supervisor.first_start"]
    return subprocess.run(
        command, cwd=CODE, env={**environment, "CONSOLE_DATA": str(data), **settings}, capture_output=True, text=True
    )


@pytest.mark.any_database
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


@pytest.mark.any_database
def test_a_console_with_another_secret_key_is_refused_and_told_how_to_share_it(tmp_path: Path) -> None:
    assert prepare(tmp_path).returncode == 0
    refused = prepare(tmp_path, CONSOLE_SECRET_KEY="another")
    assert refused.returncode == 1
    said = refused.stderr.splitlines()[-1]
    assert "another secret key" in said
    assert "set CONSOLE_SECRET_KEY" in said
    assert "accept_secret_key" in said


@pytest.mark.skipif("DATABASE_URL" not in os.environ, reason="a file belongs to one console")
def test_two_consoles_may_start_at_once_on_an_empty_database(tmp_path: Path, own_database: dict[str, str]) -> None:
    shared = own_database | {"CONSOLE_SECRET_KEY": "shared"}
    with ThreadPoolExecutor() as threads:
        both = list(threads.map(lambda name: prepare(tmp_path / name, **shared), ("a", "b")))
    assert [each.returncode for each in both] == [0, 0], [each.stderr for each in both]
    assert sum(bool(each.stdout.strip()) for each in both) == 1, "one of them makes the first login"
