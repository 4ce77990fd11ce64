"""The reverse proxies of Debian's packages in front of consoles of a test, each on a port of its own.

The settings are the least that operators write: `proxy_pass` with the Host that was asked for, and Caddy's
`reverse_proxy`. nginx asks a console again at once that it could not reach (`max_fails=0`): else it leaves out each one
for ten seconds, and after two quick restarts it has none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.processes import free_port
from tests.running_console import eventually

# Programs and the packages of Debian that have them. Debian puts nginx where only root's PATH looks.
PACKAGES = {"nginx": "nginx-light", "caddy": "caddy"}
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 8m;
    upstream console {{
        {servers}
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://console;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            {more}
        }}
    }}
}}
"""
CADDY = """
{{
    admin off
    auto_https off
}}
http://127.0.0.1:{port}, http://localhost:{port} {{
    reverse_proxy {servers}
}}
"""


def program(name: str) -> str:
    """Return the path of a program. Without it the test is skipped, or fails where everything is required."""
    found = shutil.which(name, path=PATH)
    if not found:
        reason = f"not on this machine: {name} (Debian: apt install {PACKAGES[name]})"
        (pytest.fail if os.environ.get("REQUIRE_ALL") else pytest.skip)(reason)
    return found


@contextlib.contextmanager
def nginx(folder: Path, *consoles: int, more: str = "") -> Iterator[int]:
    """Run nginx in front of the consoles at these ports, and give its port. `more` is added to `location /`."""
    binary, port = program("nginx"), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nginx.conf").write_text(
        NGINX.format(
            folder=folder,
            port=port,
            user="user root;" if os.getuid() == 0 else "",  # else its workers cannot write into the test's folder
            servers="\n        ".join(f"server 127.0.0.1:{console} max_fails=0;" for console in consoles),
            more=more,
        )
    )
    command = [binary, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with _running(folder, port, command):
        yield port


@contextlib.contextmanager
def caddy(folder: Path, *consoles: int) -> Iterator[int]:
    """Run Caddy in front of the consoles at these ports, and give its port."""
    binary, port = program("caddy"), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    servers = " ".join(f"127.0.0.1:{console}" for console in consoles)
    (folder / "Caddyfile").write_text(CADDY.format(port=port, servers=servers))
    with _running(folder, port, [binary, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]):
        yield port


@contextlib.contextmanager
def _running(folder: Path, port: int, command: list[str]) -> Iterator[None]:
    own = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, env={**os.environ, **own})
        try:
            eventually(lambda: process.poll() is not None or _accepts(port), f"{command[0]} accepted connections")
            assert process.poll() is None, (folder / "output.log").read_text(errors="replace")
            yield
        finally:
            process.terminate()
            process.wait(30)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
