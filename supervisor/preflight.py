"""What one running console claims: a data folder and a port.

Asked before anything is installed, so standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import socket
from collections.abc import Iterator
from pathlib import Path


class Refused(Exception):
    """The console cannot run here; the message is one sentence for a person."""


@contextlib.contextmanager
def held(data: Path, note: str) -> Iterator[None]:
    """Hold the data folder for one console; the lock ends with the process, however it ends."""
    with (data / "console.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Refused(f"A console is already running on the data in {data} ({file.read().strip()}).") from None
        file.truncate(0)
        file.write(note)
        file.flush()
        yield


def listen(host: str, port: int) -> socket.socket:
    """Open the console's port, or say in one sentence why not."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family, backlog=1024)
    except socket.gaierror:
        raise Refused(f"{host!r} is not an address of this machine; try --host 127.0.0.1 or --host 0.0.0.0.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            example = f"./console up --port {port + 1}"
            raise Refused(f"Port {port} is in use by another program; choose another one, like {example}") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise Refused(f"{host} is not an address of this machine; try --host 127.0.0.1 or 0.0.0.0.") from None
        if error.errno == errno.EACCES:
            raise Refused(f"Port {port} needs more rights than this user has; try --port 8000.") from None
        raise Refused(f"Cannot listen on {host}, port {port}: {error.strerror}.") from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
    return listener


def reach(listener: socket.socket) -> tuple[str, int]:
    """Host and port by which this machine reaches the listener."""
    host, port = listener.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 — it maps them away


def web_address(listener: socket.socket) -> str:
    host, port = reach(listener)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
