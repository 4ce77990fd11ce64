"""Run all checks (`./console test`) and print which of them ran. The legs of PostgreSQL and of the browser run beside the others.

| leg      | what it runs                                                     | what it needs                      |
|----------|------------------------------------------------------------------|------------------------------------|
| lint     | ruff, mypy, import-linter, Django's own checks, djlint, tsc, biome | Node.js (wheels exist)           |
| sqlite   | the suite without the browser                                    | nothing                            |
| postgres | the same suite on a real PostgreSQL with a real broker           | PostgreSQL, Valkey (wheels exist)  |
| browser  | the journeys through the pages                                   | a Chromium on this machine         |
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

CODE = Path(__file__).resolve().parent.parent
sys.path[0] = str(CODE)

from supervisor.processes import broker_binary, broker_config, free_port, start  # noqa: E402
from tests import chromium, postgres, script_tools  # noqa: E402

PYTHON = sys.executable
TOOLS = Path(PYTHON).parent
LINT = [
    [PYTHON, "-m", "ruff", "check", "--output-format", "concise"],
    [PYTHON, "-m", "ruff", "format", "--check", "--output-format", "concise"],
    [PYTHON, "-m", "mypy"],
    [str(TOOLS / "lint-imports")],
    [PYTHON, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
    [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"],
    [str(TOOLS / "djlint"), "templates", "--check", "--quiet"],
    [PYTHON, "-m", "tests.prose"],
]
SCRIPTS = [["tsc", "--project", "."], ["biome", "check", "--error-on-warnings"]]

BESIDE = ("postgres", "browser")  # legs that run beside the others from the start
PATIENT = 5  # the niceness of the other legs: a browser waits for a page only so long
RUNNING: list[subprocess.Popen[bytes]] = []  # the pytest processes that were started


class CannotRun(Exception):
    """Error for a leg that this machine cannot run. The message says what is missing and how to get it."""


@dataclass
class LegResult:
    """A line of the closing table."""

    leg: str
    result: str
    note: str = ""
    passed: int = 0
    failed: int = 0


@dataclass
class Legs:
    """The legs of one run, in one scratch folder."""

    scratch: Path
    pytest_arguments: list[str]
    require_all: bool = False  # a missing program fails a test instead of skipping it
    output: IO[bytes] | None = None  # where the tests write; None for this terminal

    def environment(self, leg: str, **settings: str) -> dict[str, str]:
        """Return an environment without the settings of a console in this shell."""
        own = ("CONSOLE_", "DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        required = {"REQUIRE_ALL": "1"} if self.require_all else {}
        data = self.scratch / leg
        data.mkdir(exist_ok=True)
        return {**kept, "CONSOLE_DATA": str(data), "PYTHONWARNINGS": "default", **required, **settings}

    def lint(self) -> LegResult:
        # As on a real server: with https, and a data folder of its own.
        environment = self.environment("lint", CONSOLE_HTTPS="1", PATH=script_tools.search_path())
        commands, lacking = LINT, ""
        try:
            tools = script_tools.installed()
            commands = [*LINT, *([str(tools / name), *arguments] for name, *arguments in SCRIPTS)]
        except script_tools.Missing as reason:
            lacking = f"the scripts are not checked: {reason}"
        failed = []
        for command in commands:
            name = " ".join([Path(command[0]).name, *command[1:]]).removeprefix("python -m ").removeprefix("python ")
            print(f"— {name}", flush=True)
            if subprocess.run(command, cwd=CODE, env=environment).returncode:
                failed.append(name)
        if lacking and not failed:
            raise CannotRun(lacking)
        return LegResult("lint", "failed" if failed else "passed", ", ".join([*failed, lacking] if lacking else failed))

    def sqlite(self) -> LegResult:
        return self.pytest("sqlite", "not browser", self.environment("sqlite"))

    def postgres(self) -> LegResult:
        with contextlib.ExitStack() as servers:
            database = os.environ.get("TEST_DATABASE_URL")
            if not database:
                try:
                    database = servers.enter_context(postgres.running())
                except postgres.Missing as reason:
                    raise CannotRun(str(reason)) from None
            binary = broker_binary(Path(PYTHON))
            if not binary:
                raise CannotRun("no broker: install valkey (Debian: apt install valkey-server)")
            port = free_port()
            broker = servers.enter_context(start([binary, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL))
            servers.callback(broker.kill)
            assert broker.stdin
            broker.stdin.write(broker_config(port, "legs"))
            broker.stdin.close()
            urls = {"DATABASE_URL": database, "REDIS_URL": f"redis://:legs@127.0.0.1:{port}/0"}
            return self.pytest("postgres", "not browser and not any_database", self.environment("postgres", **urls))

    def browser(self) -> LegResult:
        if reason := chromium.missing():
            raise CannotRun(reason)
        return self.pytest("browser", "browser", self.environment("browser"))

    def pytest(self, leg: str, marks: str, environment: dict[str, str]) -> LegResult:
        report = self.scratch / f"{leg}.xml"
        command = [PYTHON, "-m", "pytest", "-m", marks, f"--junitxml={report}", *self.pytest_arguments]
        if leg != "browser":
            command[:0] = ["nice", "-n", str(PATIENT)]
        running = subprocess.Popen(command, cwd=CODE, env=environment, stdout=self.output, stderr=self.output)
        RUNNING.append(running)
        code = running.wait()
        if code == 5:  # pytest selected no test
            raise CannotRun("no test of this leg was selected")
        if not report.exists():
            return LegResult(leg, "failed", f"pytest ended with exit code {code}", failed=1)
        suites = list(ElementTree.parse(report).iter("testsuite"))
        total, skipped, broken = (
            sum(int(suite.get(word, 0)) for suite in suites for word in words)
            for words in (("tests",), ("skipped",), ("failures", "errors"))
        )
        passed = max(total - skipped - broken, 0)
        note = (
            f"{passed} passed" + (f", {broken} failed" if broken else "") + (f", {skipped} skipped" if skipped else "")
        )
        return LegResult(leg, "failed" if code else "passed", note, passed, max(broken, int(code != 0)))


def main() -> int:
    legs: dict[str, Callable[[Legs], LegResult]] = {
        "lint": Legs.lint,
        "sqlite": Legs.sqlite,
        "postgres": Legs.postgres,
        "browser": Legs.browser,
    }
    parser = argparse.ArgumentParser(
        prog="./console test",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--only", default=",".join(legs), help="the legs to run, with commas", metavar="LEG,LEG")
    parser.add_argument("--require-all", action="store_true", help="what cannot run here is a failure")
    options, pytest_arguments = parser.parse_known_args()
    chosen = options.only.split(",")
    if unknown := set(chosen) - set(legs):
        parser.error(f"no leg is called {', '.join(sorted(unknown))}; there are {', '.join(legs)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    outcomes: list[LegResult] = []
    with (
        tempfile.TemporaryDirectory(prefix="console-test-") as folder,
        ThreadPoolExecutor(len(BESIDE)) as threads,
    ):
        scratch = Path(folder)

        def run(name: str, output: IO[bytes] | None = None) -> LegResult:
            began = time.monotonic()
            try:
                outcome = legs[name](Legs(scratch, pytest_arguments, options.require_all, output))
            except CannotRun as reason:
                outcome = LegResult(name, "skipped", str(reason))
            outcome.note = f"{time.monotonic() - began:5.1f} s  {outcome.note}"
            return outcome

        def run_beside(name: str) -> LegResult:
            with (scratch / f"{name}.log").open("wb") as output:
                return run(name, output)

        beside = {name: threads.submit(run_beside, name) for name in chosen if name in BESIDE and len(chosen) > 1}
        try:
            for name in chosen:
                print(f"\n===== {name}", flush=True)
                outcomes.append(beside[name].result() if name in beside else run(name))
                if name in beside:
                    print((scratch / f"{name}.log").read_text(errors="replace"), flush=True)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            for pytest in RUNNING:  # if this process ends before them
                pytest.terminate()

    print("\n===== legs")
    for outcome in outcomes:
        print(f"{outcome.leg:<9} {outcome.result:<8} {outcome.note}".rstrip())
    print(f"\n{sum(one.passed for one in outcomes)} passed, {sum(one.failed for one in outcomes)} failed")
    bad = {"failed", "skipped"} if options.require_all else {"failed"}
    return int(any(outcome.result in bad for outcome in outcomes))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
