"""Measure how many alerts a second the whole console takes, on its embedded SQLite and on PostgreSQL with default durability.

    python -m bench.ingest [--seconds 3] [--rounds 2] [--only sqlite,postgresql] [--workloads distinct:1:16,…]

A workload is mode:alerts per request:connections. In `distinct` every alert is new. In `dup` 64 alerts repeat. In
`flip` 64 alerts open and resolve in turn. Each database starts with 100,000 alerts that were never analysed, and
correlation runs beside the load. PostgreSQL has its default settings, but is not new: a new server creates its log
files in the first storm, and all writes wait for that about once a second. The benchmark needs wrk (Debian: apt install
wrk). `alerts/s` counts the alerts of requests answered 201 or 204. CPU, in all and in microseconds per alert, and
memory (PSS) are those of all processes of the console and of PostgreSQL. Compare rows of one run only, because machines
and their neighbours differ. On a busy machine the CPU per alert is the best figure.

`--serve postgresql` only starts and fills the console, prints its address, token, App Key and processes, and stays
until Ctrl-C. A benchmark from outside can then put its own load on it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from bench.processes import CpuAndMemory
from tests import postgres
from tests.running_console import RunningConsole

WORKLOADS = "distinct:1:1,distinct:1:16,distinct:1:64,dup:1:16,flip:1:16,distinct:100:4,distinct:1000:2"
OPEN_ALERTS = 100_000
NEVER_REACHED = "1000000000"  # a limit of events that counts them, as on any console
LUA = """
local MODE, N, RUN, KEY = "%(mode)s", %(n)d, "%(run)s", "%(app_key)s"
local r = -1
local function alert(id, up)
  return string.format('{"app_key":"%%s","status":"%%s","host":"%%s-host-%%d","check":"check-%%d","cluster":"production",'
    .. '"description":"CPU is above upper limit (70 percent)"}', KEY, up and "critical" or "ok", RUN, id, id %% 10)
end
function request()
  r = r + 1
  local period, up, base = (N == 1) and 64 or 8, true, r * N
  if MODE ~= "distinct" then
    if MODE == "flip" then up = (math.floor(r / period) %% 2) == 1 end
    base = (r %% period) * N
  end
  local t = {}
  for i = 1, N do t[i] = alert(base + i - 1, up) end
  local body = N == 1 and t[1] or '{"alerts":[' .. table.concat(t, ",") .. "]}"
  return wrk.format("POST", "/data/v2/alerts", {["Content-Type"]="application/json", ["Authorization"]="Bearer %(token)s"}, body)
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('JSON{"requests":%%d,"us":%%d,"bad":%%d,"p50":%%d,"p99":%%d}\\n', summary.requests, summary.duration,
    e.status + e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


class Subject:
    """A console under load, with its credentials."""

    def __init__(self, name: str, console: RunningConsole, roots: list[int]) -> None:
        self.name, self.console, self.roots = name, console, roots
        self.token, self.app_key = (
            console.manage("create_org_token", "bench", "--all-app-keys"),
            console.manage("create_app_key", "bench"),
        )

    def post(self, items: list[dict[str, Any]]) -> None:
        body = json.dumps({"app_key": self.app_key, "alerts": items}).encode()
        request = urllib.request.Request(
            self.console.url + "/data/v2/alerts", body, {"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=120) as reply:
            assert reply.status in (201, 204), reply.status

    def fill(self) -> None:
        for start in range(0, OPEN_ALERTS, 5000):
            self.post([{"status": "ok", "host": f"old-{start + number}", "check": "c"} for number in range(5000)])

    def run(self, mode: str, n: int, connections: int, seconds: int) -> dict[str, float]:
        run = f"r{time.time_ns():x}"
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(LUA % {"mode": mode, "n": n, "run": run, "app_key": self.app_key, "token": self.token})
            script.flush()
            meter = CpuAndMemory(self.roots)
            command = [
                "wrk",
                "-t1",
                f"-c{connections}",
                f"-d{seconds}s",
                "--timeout",
                "20s",
                "-s",
                script.name,
                self.console.url,
            ]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"JSON(\{.*\})", printed)
        assert found, printed
        row = json.loads(found[1])
        rate = (row["requests"] - row["bad"]) * n / (row["us"] / 1e6)
        used = meter.end()
        cost = used["cpu"] * 1e6 / rate if rate else 0.0
        return {"rate": rate, "p50": row["p50"] / 1e3, "p99": row["p99"] / 1e3, "bad": row["bad"], "cost": cost, **used}


def use(server: str) -> None:
    """Fill a gigabyte of the server's log, so that the server reuses its files from then on."""
    with psycopg.connect(server, autocommit=True) as link:
        for _ in range(1024 // 16):  # MB; so large is a file
            link.execute("SELECT pg_logical_emit_message(true, 'bench', '')")
            link.execute("SELECT pg_switch_wal()")
        link.execute("CHECKPOINT")


@contextlib.contextmanager
def subject(name: str, data: Path, *, events_per_minute: str = NEVER_REACHED) -> Iterator[Subject]:
    with contextlib.ExitStack() as stack:
        environment = {"CONSOLE_EVENTS_PER_MINUTE": events_per_minute}
        roots = []
        if name == "postgresql":
            environment["DATABASE_URL"] = stack.enter_context(postgres.running(extra=()))
            use(environment["DATABASE_URL"])
            roots = CpuAndMemory.named("postgres")
        console = stack.enter_context(RunningConsole(data / name, settings=environment))
        yield Subject(name, console, [console.process.pid, *roots])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="sqlite,postgresql")
    parser.add_argument("--workloads", default=WORKLOADS)
    parser.add_argument("--serve", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is needed to make the load (Debian: apt install wrk).")
    if options.serve:
        serve(options.serve)
        return
    rows: dict[tuple[str, str], list[dict[str, float]]] = {}
    names = options.only.split(",")
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as data, contextlib.ExitStack() as stack:
        subjects = [stack.enter_context(subject(name, Path(data))) for name in names]
        for each in subjects:
            each.fill()
        for workload in options.workloads.split(","):
            mode, n, connections = workload.split(":")
            for _ in range(options.rounds):  # in turn, so that a noisy minute meets both
                for each in subjects:
                    rows.setdefault((workload, each.name), []).append(
                        each.run(mode, int(n), int(connections), options.seconds)
                    )
    show(options.workloads.split(","), names, rows)


def serve(name: str) -> None:
    """Run a filled console for a load from outside."""
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as data, subject(name, Path(data)) as console:
        console.fill()
        processes = " ".join(f"--target-pid {pid}" for pid in console.roots)
        print(
            f"--target {console.console.url} --token {console.token} --app-key {console.app_key} {processes}",
            flush=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


def show(workloads: list[str], names: list[str], rows: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    columns = f"{'alerts/s':>9} {'min-max':>15} {'p50 ms':>8} {'p99 ms':>8} {'CPUs':>5} {'us/alert':>8} {'other':>5} {'MiB':>5} {'bad':>4}"
    print(f"{'workload':16} {'database':11} {columns}  / {names[-1]}")
    for workload in workloads:
        base = statistics.median(row["rate"] for row in rows[workload, names[-1]])
        for name in names:
            runs = rows[workload, name]
            middle = {column: statistics.median(run[column] for run in runs) for column in runs[0]}
            span = f"{min(run['rate'] for run in runs):.0f}-{max(run['rate'] for run in runs):.0f}"
            times = f"{middle['p50']:8.2f} {middle['p99']:8.2f}"
            used = f"{middle['cpu']:5.2f} {middle['cost']:8.1f} {middle['other']:5.2f} {middle['mib']:5.0f}"
            ratio = middle["rate"] / base if base else 0
            print(
                f"{workload:16} {name:11} {middle['rate']:9.0f} {span:>15} {times} {used} {sum(run['bad'] for run in runs):4.0f}  {ratio:.2f}"
            )


if __name__ == "__main__":
    main()
