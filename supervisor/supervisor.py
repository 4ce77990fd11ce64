"""The supervisor keeps broker, web, workers and beat running. `./console up` becomes the supervisor once the environment is built.

Only the standard library is imported at import time. `console.py` loads this file before there is an environment, so
that it can report a port in use before it installs anything.

The design rests on three decisions:

- The supervisor holds the listening socket. A sender that connects while the web process restarts waits and is not refused.
- Every child has a session of its own. Ctrl-C reaches only the supervisor, which decides the order in which the children end.
- When the supervisor is killed, its children end too. On Linux the kernel kills them; elsewhere the guard does, which reads a pipe to its end.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import secrets
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from supervisor.preflight import SetupError, held, listen, make_private, reach, web_address
from supervisor.processes import Guard, Process, broker_binary, broker_config, free_port, signal_group, start

CODE = Path(__file__).resolve().parent.parent
LOG_BYTES = 5_000_000  # a larger log moves to *.log.1 and starts again
QUICK_DEATH = 5.0  # seconds; a child that ends sooner waits longer for each next start
LONGEST_WAIT = 30.0
PATIENCE = 8.0  # seconds that a child has to end by itself
HUNG_SECONDS = 15.0  # without a sign of life, after which a child is replaced; CONSOLE_HUNG_SECONDS sets another time
LATE = 5.0  # seconds between two looks, after which the machine was asleep: it says nothing about the children
# The web process. It writes no access log, because a query string can hold a token.
WEB = ("-m", "bigpanda_site.uvicorn_server")
# Name, queues and threads of each worker process. Correlation has a process to itself, so that nothing delays it.
WORKERS = (("worker", "correlation", 2), ("jobs", "actions,deliveries,jobs", 8))


def say(text: str) -> None:
    """Print a line, in the form of the other log lines."""
    if is_json():
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        text = json.dumps({"at": at, "level": "INFO", "logger": "supervisor", "message": text, "process": os.getpid()})
    print(text, flush=True)


def is_json() -> bool:
    """Return whether log lines are JSON on stdout. The setting is explained in bigpanda_site/settings.py."""
    return os.environ.get("CONSOLE_LOGS") == "json"


@dataclass
class Child:
    """A process that the supervisor starts again whenever it ends."""

    name: str
    argv: list[str]
    stdin: bytes = b""
    pass_fds: tuple[int, ...] = ()
    process: Process | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    quick_deaths: int = 0
    heartbeat: int | None = None  # the end of a pipe, where the child gives signs of life
    heard_at: float = 0.0  # time of the last sign; 0 before the first one

    def listen(self, now: float) -> None:
        """Read the signs of life since the last look."""
        if self.heartbeat is not None:
            with contextlib.suppress(BlockingIOError):
                if os.read(self.heartbeat, 4096):
                    self.heard_at = now

    def forget_process(self) -> None:
        self.process, self.heard_at = None, 0.0
        if self.heartbeat is not None:
            os.close(self.heartbeat)
            self.heartbeat = None


# --- The supervisor


@dataclass
class Supervisor:
    """The child processes of one data folder, and the loop that watches them."""

    python: Path
    data: Path
    listener: socket.socket
    environment: dict[str, str]
    children: list[Child] = field(default_factory=list)
    demo: Process | None = None
    asking: socket.socket | None = None
    greeted: bool = False
    stopping: bool = False
    started_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.guard = Guard(self.python)
        self.hung_seconds = float(self.environment.get("CONSOLE_HUNG_SECONDS") or HUNG_SECONDS)
        self.looked_at = time.monotonic()

    def run(self, *, demo: bool) -> None:
        """Run the console: 1. Start the broker. 2. Prepare the database. 3. Start web, and the rest once web answers. 4. Watch."""
        self.waker, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self.waker, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only wakes the loop
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        self.environment |= {"CONSOLE_DATA": str(self.data), "CONSOLE_COLLECTED": "1", "PYTHONUNBUFFERED": "1"}
        # Celery warns a root user about pickle, which the console never reads.
        self.environment["PYTHONWARNINGS"] = "ignore::UserWarning:celery.platforms"
        self.environment["CELERY_SKIP_CHECKS"] = "1"  # Django's checks cost seconds, and each release has passed them
        self.environment.pop("PYTHONSAFEPATH", None)  # children find the code in their working directory
        (self.data / "logs").mkdir(exist_ok=True)
        try:
            self._start_broker()
            self._prepare()
            self._start_web()
            while not self.stopping:
                self._look_at_page(demo=demo)
                self._tend()
                self._wait()
        finally:
            self._end()

    def _start_broker(self) -> None:
        if self.environment.get("REDIS_URL"):
            return
        if binary := broker_binary(self.python):
            port, password = free_port(), secrets.token_urlsafe(24)
            self.environment["REDIS_URL"] = f"redis://:{password}@127.0.0.1:{port}/0"
            self._add(Child("broker", [binary, "-"], stdin=broker_config(port, password)))
        else:
            say("No broker here (valkey-server would be one): correlation runs inside the web process.")

    def _prepare(self) -> None:
        """Migrate, collect the static files, and create the first administrator.

        Skip all three if neither code nor database changed since the last start.
        """
        stamp = self.data / "prepared"
        if (mark := self._mark()) and stamp.exists() and stamp.read_text() == mark:
            return
        with self._log("prepare") as log:
            process = self._start(self._python("-m", "supervisor.first_start"), log, stdout=subprocess.PIPE)
            while process.poll() is None and not self.stopping:
                self._tend()
                self._wait()
        if self.stopping:
            signal_group(process, signal.SIGTERM)
        process.wait()
        self.guard.forget(process)
        if self.stopping:
            return
        if process.returncode:
            reason = (self._last_lines("prepare", 1) or ["it gave no reason"])[0]
            raise SetupError(
                f"The database cannot be prepared: {reason} (more in {self.data / 'logs' / 'prepare.log'})"
            )
        if password := process.stdout.read().decode().strip() if process.stdout else "":
            say(
                f"First start. Sign in as: admin   Password: {password}   (shown only now, and changed at the first sign-in)"
            )
        stamp.write_text(self._mark())

    def _mark(self) -> str:
        """Return a mark of the migrations in the code and in the SQLite file, and of the static files.

        The mark is empty if it cannot be computed cheaply, or if no static files are collected.
        """
        path = self.data / "console.sqlite3"
        collected = self.data / "static" / "staticfiles.json"
        if self.environment.get("DATABASE_URL") or not path.exists() or not collected.exists():
            return ""
        static = (file for file in (CODE / "static").rglob("*") if file.is_file())
        files = [CODE / "requirements.lock", *sorted(CODE.glob("*/migrations/*.py")), *sorted(static)]
        files.append(self.data / "secret_key")  # first_start compares it with the key of other consoles
        content = (str(file).encode() + file.read_bytes() for file in files if file.exists())
        own_key = self.environment.get("CONSOLE_SECRET_KEY", "").encode()
        digest = hashlib.sha256(b"".join([own_key, *content])).hexdigest()
        try:
            with contextlib.closing(sqlite3.connect(path)) as database:
                applied = database.execute("SELECT count(*), max(applied) FROM django_migrations").fetchone()
        except sqlite3.Error:
            return ""
        return f"{digest} {applied}"

    def _start_web(self) -> None:
        socket_number = self.listener.fileno()
        argv = self._python(*WEB, "--fd", str(socket_number))
        self._add(Child("web", argv, pass_fds=(socket_number,)))

    def _start_background(self) -> None:
        """Start workers and beat after the web process, because three imports of Django at once would delay the first page."""
        celery = self._python("-m", "celery", "--quiet", "-A", "bigpanda_site")
        if self.environment.get("REDIS_URL"):
            for name, queues, threads in WORKERS:
                options = ["--queues", queues, "--pool", "threads", "--concurrency", str(threads)]
                options += ["--hostname", f"{name}@%h", "--without-gossip", "--without-mingle"]
                self._add(Child(name, [*celery, "worker", "--loglevel", "warning", *options]))
        schedule = ["--schedule", str(self.data / "beat-schedule"), "--pidfile", ""]
        self._add(Child("beat", [*celery, "beat", "--loglevel", "warning", *schedule]))

    def _look_at_page(self, *, demo: bool) -> None:
        """Request the start page until it answers. The request waits at the open port, so one is usually enough."""
        if self.greeted:
            return
        if self.asking is None:
            self.asking = socket.create_connection(reach(self.listener))
            self.asking.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        if not select.select([self.asking], [], [], 0)[0]:
            return
        answer = b""
        with contextlib.suppress(OSError):
            answer = self.asking.recv(64)
        self.asking.close()
        self.asking = None
        if not answer:  # the web process ended during the request
            return
        self.greeted = True
        if answer.split()[1].startswith(b"5"):
            say(f"The start page answers with an error; see {self.data / 'logs' / 'web.log'}")
        say(f"Ready after {time.monotonic() - self.started_at:.1f} s: {web_address(self.listener)}   (Ctrl-C stops it)")
        self._start_background()
        if demo:
            argv = self._python(str(CODE / "manage.py"), "play_demo", "--url", web_address(self.listener))
            self.demo = self._start(argv, None)

    def _python(self, *arguments: str) -> list[str]:
        return [str(self.python), *arguments]

    # --- Watching

    def _add(self, child: Child) -> None:
        self.children.append(child)
        self._tend()

    def _tend(self) -> None:
        """Start every child again that has ended, and end a child that hangs."""
        now = time.monotonic()
        was_late, self.looked_at = now - self.looked_at > LATE, now
        self.guard.keep_alive(self._living())
        for child in self.children:
            self._end_if_hung(child, now, was_late=was_late)
            if child.process and child.process.poll() is not None:
                signal_group(child.process, signal.SIGKILL)  # processes that it left behind
                self.guard.forget(child.process)
                self._note_end(child, now)
            if child.process is None and now >= child.start_at and not self.stopping:
                self._start_child(child, now)
            self._shorten_log(child.name)
        if self.demo and self.demo.poll() is not None:
            if self.demo.returncode:
                say("The demo ended early; the console keeps running.")
            self.guard.forget(self.demo)
            self.demo = None

    def _end_if_hung(self, child: Child, now: float, *, was_late: bool) -> None:
        child.listen(now)
        if not child.heard_at:
            return
        if was_late:
            child.heard_at = now
        elif now - child.heard_at > self.hung_seconds and child.process:
            say(f"{child.name} has given no sign of life for {self.hung_seconds:g} s and is ended.")
            signal_group(child.process, signal.SIGKILL)
            child.heard_at = 0.0

    def _start_child(self, child: Child, now: float) -> None:
        child.heartbeat, heartbeat = os.pipe()
        os.set_blocking(child.heartbeat, False)
        os.set_blocking(heartbeat, False)
        options: dict[str, Any] = {"pass_fds": (*child.pass_fds, heartbeat)}
        options["stdin"] = subprocess.PIPE if child.stdin else subprocess.DEVNULL
        options["env"] = {**self.environment, "CONSOLE_HEARTBEAT": str(heartbeat)}
        with self._log(child.name) as log:
            output = None if is_json() and child.name != "broker" else log
            child.process = self._start(child.argv, log, stdout=output, **options)
        os.close(heartbeat)
        child.started_at = now
        if child.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                child.process.stdin.write(child.stdin)
                child.process.stdin.close()

    def _note_end(self, child: Child, now: float) -> None:
        """Set the time of the next start: at once after a long run, and later after each short run."""
        code = child.process.returncode if child.process else 0
        child.forget_process()
        child.quick_deaths = child.quick_deaths + 1 if now - child.started_at < QUICK_DEATH else 0
        wait = min(0.5 * 2 ** (child.quick_deaths - 2), LONGEST_WAIT) if child.quick_deaths > 1 else 0.0
        child.start_at = now + wait
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        say(f"{child.name} ended ({how}); it starts again {f'in {wait:g} s' if wait else 'now'}.")
        if child.quick_deaths > 1:
            for line in self._last_lines(child.name, 3):
                say(f"  {child.name}: {line}")

    def _start(self, argv: list[str], log: IO[bytes] | None, **options: Any) -> Process:
        process = start(argv, **{"cwd": CODE, "env": self.environment, "stderr": log, **options})
        self.guard.watch(process)
        return process

    def _living(self) -> list[Process]:
        processes = [child.process for child in self.children]
        return [process for process in [*processes, self.demo] if process and process.poll() is None]

    def _wait(self) -> None:
        """Wait until a signal arrives, a child ends, the page answers, or half a second has passed."""
        sources: list[int | socket.socket] = [self.waker, self.asking] if self.asking else [self.waker]
        select.select(sources, [], [], 0.5)
        with contextlib.suppress(BlockingIOError):
            os.read(self.waker, 512)

    def _on_stop(self, number: int, frame: object) -> None:
        if self.stopping:  # the second request kills at once
            for process in self._living():
                signal_group(process, signal.SIGKILL)
        self.stopping = True

    def _end(self) -> None:
        """Stop all children, the broker last, because the others still need it."""
        if self.stopping:
            say("Stopping …")
        self.stopping = True
        self.listener.close()
        broker = next((child.process for child in self.children if child.name == "broker"), None)
        for group in ([one for one in self._living() if one is not broker], [broker] if broker else []):
            for process in group:
                signal_group(process, signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE
            while any(process.poll() is None for process in group) and time.monotonic() < deadline:
                self._wait()
            for process in group:
                signal_group(process, signal.SIGKILL)
                process.wait()
        self.guard.stop()

    # --- Logs

    @contextlib.contextmanager
    def _log(self, name: str) -> Iterator[IO[bytes]]:
        with (self.data / "logs" / f"{name}.log").open("ab") as log:
            yield log

    def _shorten_log(self, name: str) -> None:
        """Shorten a log that is too large. Children append, so the file can be emptied while they write."""
        path = self.data / "logs" / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)

    def _last_lines(self, name: str, count: int) -> list[str]:
        with (self.data / "logs" / f"{name}.log").open("rb") as log:
            log.seek(max(0, log.seek(0, io.SEEK_END) - 8192))
            lines = log.read().decode(errors="replace").splitlines()
        # Valkey's advice about memory overcommit concerns servers that save to disk.
        return [line.strip() for line in lines if line.strip() and "overcommit" not in line][-count:]


# --- Entry points


def port_number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port; take one from 1 to 65535")
    return int(text)


def up(arguments: list[str], *, data: Path, environment: Callable[[], Path]) -> None:
    """Run `./console up`. `environment` builds the environment if it is missing and returns its Python."""
    parser = argparse.ArgumentParser(prog="./console up", description="Start the console and keep it running.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=port_number, default=8000, help="port to listen on (default: %(default)s)")
    parser.add_argument("--demo", action="store_true", help="play a recorded day of alerts once the page answers")
    options = parser.parse_args(arguments)
    known = os.environ.get("CONSOLE_HOSTS") or "localhost,127.0.0.1,[::1]"
    name = f"[{options.host}]" if ":" in options.host else options.host
    if options.host in ("0.0.0.0", "::"):  # noqa: S104 — asked for
        name = socket.gethostname().lower()
    with held(data, f"process {os.getpid()}, port {options.port}"):
        listener = listen(options.host, options.port)
        python = environment()
        names = dict.fromkeys([*known.split(","), "127.0.0.1", name])
        Supervisor(python, data, listener, {**os.environ, "CONSOLE_HOSTS": ",".join(names)}).run(demo=options.demo)


def main() -> None:
    """Run the supervisor in an existing environment: `python -m supervisor.supervisor`."""
    data = Path(os.environ.get("CONSOLE_DATA") or CODE / "var").resolve()
    data.mkdir(parents=True, exist_ok=True)
    make_private(data)
    try:
        up(sys.argv[1:], data=data, environment=lambda: Path(sys.executable))
    except SetupError as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
