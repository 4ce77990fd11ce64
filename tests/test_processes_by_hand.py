"""Processes that are started without `./console up`, as docs/deploying.md §4 says."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bigpanda_site import asgi
from tests.running_console import CODE, own_environment


@pytest.mark.any_database
def test_uvicorn_may_import_the_protocol_before_the_application(tmp_path: Path) -> None:
    """Uvicorn does so in each of its --workers."""
    command = [sys.executable, "-c", "import bigpanda_site.http_protocol"]
    done = subprocess.run(command, cwd=CODE, env=own_environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_server_with_its_own_protocol_is_named_in_the_log_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(asgi, "has_protocol", False)

    async def play(times: int) -> list[Any]:
        told: list[Any] = []

        async def send(message: Any) -> None:
            told.append(message)

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        for _ in range(times):
            # A head that is refused before anything else is done.
            headers = [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]
            scope = {"type": "http", "headers": headers, "path": "/", "method": "GET"}
            await asgi.application(scope, receive, send)
        return told

    with caplog.at_level(logging.WARNING):
        assert len(asyncio.run(play(2))) == 4
    assert caplog.text.count("--http bigpanda_site.http_protocol:Protocol") == 1
