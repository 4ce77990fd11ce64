"""A broker that a test or a benchmark stops, freezes and fills."""

from __future__ import annotations

import subprocess
from typing import Self

import redis

from supervisor.processes import Process, broker_config, free_port, start
from tests.running_console import eventually


class Broker:
    """A broker of the test's own, which no supervisor starts again."""

    def __init__(self, binary: str) -> None:
        self.binary, self.port = binary, free_port()
        self.url = f"redis://:secret@127.0.0.1:{self.port}/0"
        self.process: Process

    def start(self) -> None:
        self.process = start([self.binary, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert self.process.stdin
        self.process.stdin.write(broker_config(self.port, "secret"))
        self.process.stdin.close()
        eventually(self._answers, "the broker answers")

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def fill(self) -> None:
        """Leave no memory, so that the broker refuses to store anything."""
        with redis.Redis.from_url(self.url) as client:
            client.config_set("maxmemory", "1")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
