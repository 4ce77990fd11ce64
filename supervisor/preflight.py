"""Checks before anything is installed: the data folder and the port are free.

Only the standard library is imported here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

PRIVATE = 0o077  # umask: nobody else on the machine reads what the console writes


class SetupError(Exception):
    """Error that keeps the console from starting. The message is one sentence for a person."""


def make_private(data: Path) -> None:
    """Take the rights of other users from the data folder and its files, and from the files of this process from now on.

    A folder inside is out of reach once the data folder is. The files that hold data or secrets are repaired all the same.
    """
    os.umask(PRIVATE)
    for path in (data, *data.glob("*"), *data.glob("logs/*"), *data.glob("broker/*")):
        with contextlib.suppress(OSError):  # another process removed it, or it belongs to somebody else
            mode = path.stat().st_mode
            if mode & PRIVATE and not path.is_symlink():
                path.chmod(stat.S_IMODE(mode) & ~PRIVATE)


@contextlib.contextmanager
def held(data: Path, note: str) -> Iterator[None]:
    """Lock the data folder for one console. The lock ends with the process, also when the process is killed."""
    with (data / "console.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SetupError(f"A console is already running on the data in {data} ({file.read().strip()}).") from None
        file.truncate(0)
        file.write(note)
        file.flush()
        yield


def listen(host: str, port: int) -> socket.socket:
    """Open the port of the console. Raise SetupError with the reason if it cannot be opened."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family, backlog=1024)
    except socket.gaierror:
        raise SetupError(
            f"{host!r} is not an address of this machine; try --host 127.0.0.1 or --host 0.0.0.0."
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            example = f"./console up --port {port + 1}"
            raise SetupError(f"Port {port} is in use by another program; choose another one, like {example}") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise SetupError(f"{host} is not an address of this machine; try --host 127.0.0.1 or 0.0.0.0.") from None
        if error.errno == errno.EACCES:
            raise SetupError(f"Port {port} needs more rights than this user has; try --port 8000.") from None
        raise SetupError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
    return listener


def reach(listener: socket.socket) -> tuple[str, int]:
    """Return the host and port at which this machine reaches the listener."""
    host, port = listener.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 — it maps them away


def web_address(listener: socket.socket) -> str:
    host, port = reach(listener)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
