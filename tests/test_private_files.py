"""Files of the data folder belong to the console's user alone."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running_console import CODE, RunningConsole, own_environment

pytestmark = pytest.mark.any_database


def open_to_others(data: Path) -> list[str]:
    """Return the files of the folder that another user may read, write or enter."""
    found = []
    for path in (data, *data.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # a running console removes files of its own
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and stat.S_IMODE(mode) & 0o077:
                found.append(str(path))
    return found


def test_nobody_else_reads_the_files_of_a_running_console(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with RunningConsole.prepared(tmp_path):
            assert (tmp_path / "console.sqlite3").exists()
            assert open_to_others(tmp_path) == []
    finally:
        os.umask(before)


def test_folders_and_files_that_others_could_read_are_repaired(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    for name in ("console.sqlite3", "secret_key"):
        (data / name).touch(mode=0o644)
    subprocess.run(
        [sys.executable, "-c", "from bigpanda_site import settings"],
        cwd=CODE,
        env=own_environment(data, CONSOLE_SECRET_KEY="x"),
        check=True,
    )
    assert open_to_others(data) == []
