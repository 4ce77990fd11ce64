"""Measure how long a quiet App Key waits for its answers, alone and beside a storm of another App Key.

    python -m bench.fairness [--seconds 10] [--only sqlite,postgresql]

The quiet one sends an alert twenty times a second. The storm sends batches of a thousand over 16 connections, once with
the limit of a new console and once without a limit.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.ingest import Subject, subject

PAUSE = 0.05  # seconds between two alerts of the quiet one


class Quiet:
    """A sender with an App Key of its own, and the times of its answers in milliseconds."""

    def __init__(self, storm: Subject) -> None:
        self.app_key, self.token = storm.console.manage("create_app_key", "quiet"), storm.token
        self.address = urlsplit(storm.console.url).netloc
        self.times: list[float] = []

    def run(self, seconds: float) -> None:
        link = http.client.HTTPConnection(self.address, timeout=60)
        headers = {"Authorization": f"Bearer {self.token}"}
        until, number = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            body = {"app_key": self.app_key, "status": "critical", "host": f"quiet-{time.time_ns()}-{number}"}
            began = time.monotonic()
            link.request("POST", "/data/v2/alerts", json.dumps(body), headers)
            reply = link.getresponse()
            reply.read()
            assert reply.status == 201, reply.status
            self.times.append((time.monotonic() - began) * 1000)
            number += 1
            time.sleep(PAUSE)
        link.close()

    def take(self) -> str:
        times, self.times = sorted(self.times), []
        return f"p50 {statistics.median(times):7.1f}   p99 {times[int(len(times) * 0.99)]:7.1f}   worst {times[-1]:7.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--only", default="sqlite,postgresql")
    options = parser.parse_args()
    for name in options.only.split(","):
        for limit in ("60000", "0"):
            with (
                tempfile.TemporaryDirectory(prefix="bench-fairness-") as data,
                subject(name, Path(data), events_per_minute=limit) as storm,
            ):
                quiet = Quiet(storm)
                quiet.run(2)
                quiet.take()
                quiet.run(options.seconds)
                alone = quiet.take()
                noise = threading.Thread(target=storm.run, args=("distinct", 1000, 16, options.seconds + 2))
                noise.start()
                time.sleep(1)
                quiet.run(options.seconds)
                noise.join()
                of_storm = "limit of a new console" if limit != "0" else "no limit"
                print(f"{name:11} {of_storm:23} alone {alone}   beside a storm {quiet.take()}", flush=True)


if __name__ == "__main__":
    main()
