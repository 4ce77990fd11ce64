"""Checks before anything is installed: the data folder and the port are free.

Only the standard library is imported here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import socket
from collections.abc import Iterator
from pathlib import Path


class SetupError(Exception):
    """Error that keeps the console from starting. The message is one sentence for a person."""


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
