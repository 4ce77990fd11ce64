"""The data of an old console, and a record of the answers that its own code gave."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from tests.upgrade.shown import Shown, read, write

CODE = Path(__file__).resolve().parents[2]
DATA = Path(__file__).with_name("data")
Answers = dict[str, list[Shown]]  # by user name, or by name of a secret


class OldConsole:
    """Folder of `data/`, named by the commit whose code made the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shown = folder / "shown"
        self._shown_on_postgres = self._shown / "postgres"

    @cached_property
    def known(self) -> dict[str, Any]:
        """The moment of the record, passwords by user name, secrets by name, and numbers of incidents by name."""
        known: dict[str, Any] = json.loads((self.folder / "known.json").read_text(encoding="utf-8"))
        return known

    def unpack(self, data: Path, database_url: str = "") -> dict[str, str]:
        """Fill a data folder, and an empty database where a URL names one. Return the settings of a console on both."""
        data.mkdir(parents=True)
        (data / "secret_key").write_text("a test value that is as long as the key of an installation is")
        if not database_url:
            (data / "console.sqlite3").write_bytes(gzip.decompress((self.folder / "console.sqlite3.gz").read_bytes()))
            return {"CONSOLE_DATA": str(data)}
        with psycopg.connect(database_url) as database:
            database.execute(gzip.decompress((self.folder / "console.sql.gz").read_bytes()))
        return {"CONSOLE_DATA": str(data), "DATABASE_URL": database_url}

    def look(
        self, settings: Mapping[str, str], views: Mapping[str, list[str]] | None = None, *, code: Path = CODE
    ) -> Answers:
        """Migrate a console with the code of a checkout and return its answers at the moment of the record.

        Without `views`, the addresses are those of the record. A missing migration is an error.
        """
        views = views or {who: [each.path for each in answers] for who, answers in self.recorded().items()}
        asked = self.known | {"views": views, "settings": settings, "code": str(code)}
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
        done = subprocess.run(
            [sys.executable, "-m", "tests.upgrade.console_at"],
            cwd=CODE,
            env=environment,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        answers: dict[str, list[Any]] = json.loads(done.stdout)
        return {who: [Shown.of(*each) for each in given] for who, given in answers.items()}

    def recorded(self, *, on_postgres: bool = False) -> Answers:
        """Return the record. Some pages differ between the databases, because PostgreSQL changes the order of an alert's tags."""
        answers = {file.stem: read(file) for file in sorted(self._shown.glob("*.txt"))}
        if on_postgres:
            for file in self._shown_on_postgres.glob("*.txt"):
                different = {each.path: each for each in read(file)}
                answers[file.stem] = [different.get(each.path, each) for each in answers[file.stem]]
        return answers

    def record(self, answers: Answers, *, on_postgres: bool = False) -> None:
        """Write the record. The answers on PostgreSQL are written second, and only where they differ from those on SQLite."""
        folder = self._shown_on_postgres if on_postgres else self._shown
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.glob("*.txt"):
            file.unlink()
        recorded = self.recorded() if on_postgres else {}
        for who, given in answers.items():
            on_sqlite = {each.path: each for each in recorded.get(who, ())}
            if new := [each for each in given if each != on_sqlite.get(each.path)]:
                write(folder / f"{who}.txt", new)
