"""The wrappers, downloaded from a real console and run against it: under each shell of this machine, and in Python."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.running_console import RunningConsole

pytestmark = pytest.mark.any_database

SHELLS = [name for name in ("dash", "bash", "busybox", "ksh", "mksh", "zsh") if shutil.which(name)]
WAYS = [*SHELLS, "python"]


class Sender(NamedTuple):
    """A console, and the folder with its downloaded wrappers."""

    console: RunningConsole
    folder: Path
    environment: dict[str, str]

    def run(self, way: str, *arguments: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        if way == "python":
            command = [sys.executable, str(self.folder / "bigpanda.py"), *arguments]
        else:
            shell = [way, "sh"] if way == "busybox" else [way]
            command = [*shell, str(self.folder / "bigpanda-alert"), *arguments]
        surroundings = {**os.environ, **self.environment, **environment}
        return subprocess.run(command, input=text, env=surroundings, capture_output=True, text=True, timeout=60)

    def alerts(self, host: str) -> list[dict[str, Any]]:
        """Return the tags and statuses of a host's alerts."""
        asked = (
            "import json; from alerts.models import Alert; "
            "told = [{**alert.tags, 'status': alert.get_status_display()} for alert in Alert.objects.order_by('pk')]; "
            f"print(json.dumps([alert for alert in told if alert.get('host') == {host!r}]))"
        )
        found: list[dict[str, Any]] = json.loads(self.console.manage("shell", "-v", "0", "-c", asked))
        return found


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    folder = tmp_path_factory.mktemp("sender")
    with RunningConsole.prepared(tmp_path_factory.mktemp("console")) as console:
        for name in ("bigpanda-alert", "bigpanda.py", "bigpanda-3.0.tar.gz"):
            with urllib.request.urlopen(f"{console.url}/download/{name}", timeout=30) as reply:
                (folder / name).write_bytes(reply.read())
        secrets = {
            "BP_API_TOKEN": console.manage("create_org_token", "wrappers", "--all-app-keys"),
            "BP_APP_KEY": console.manage("create_app_key", "wrappers"),
            "BP_RETRY_SECONDS": "0.05",
        }
        yield Sender(console, folder, secrets)


class Flaky(http.server.BaseHTTPRequestHandler):
    """A console that fails as told, and records the requests that it gets."""

    replies: list[int]
    seen: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.headers["Idempotency-Key"], body))
        status = self.replies.pop(0) if self.replies else 201
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name it is called by
        pass


@pytest.fixture
def flaky() -> Iterator[Any]:
    handler = type("Handler", (Flaky,), {"replies": [], "seen": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        handler.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        yield handler
        server.shutdown()


def test_downloaded_they_know_the_consoles_address(sender: Sender) -> None:
    for name in ("bigpanda-alert", "bigpanda.py"):
        assert sender.console.url in (sender.folder / name).read_text()


@pytest.mark.parametrize("way", WAYS)
def test_an_alert_arrives_with_all_it_was_given_and_ends(sender: Sender, way: str) -> None:
    host = f'{way} "quoted" back\\slash ünï'
    tags = [
        "-d",
        "it's\ttabbed\nand more",
        "-c",
        "fra",
        "-e",
        "team=data = bases",
        "-e",
        "run book=https://wiki.example/?a=1&b=2",
    ]
    done = sender.run(way, "crit", host, "CPU overloaded", *tags)
    assert (done.returncode, done.stderr) == (0, "")
    (alert,) = sender.alerts(host)
    assert alert["status"] == "critical"
    expected = {
        "check": "CPU overloaded",
        "cluster": "fra",
        "team": "data = bases",
        "run book": "https://wiki.example/?a=1&b=2",
    }
    assert expected.items() <= alert.items()
    assert alert["description"] == "it's\ttabbed\nand more"
    assert sender.run(way, "ok", host, "CPU overloaded").returncode == 0
    assert [each["status"] for each in sender.alerts(host)] == ["ok"]


@pytest.mark.parametrize("way", WAYS)
def test_names_of_the_tags_and_the_time_can_be_chosen(sender: Sender, way: str) -> None:
    shown = sender.run(way, "ack", "shop", "latency", "-p", "application", "-s", "sensor", "-t", "1700000000", "-n")
    assert shown.returncode == 0
    sent = json.loads(shown.stdout.splitlines()[-1])
    assert (sent["application"], sent["primary_property"]) == ("shop", "application")
    assert (sent["sensor"], sent["secondary_property"]) == ("latency", "sensor")
    assert (sent["status"], sent["timestamp"]) == ("acknowledged", 1700000000)


@pytest.mark.parametrize("way", WAYS)
def test_a_dry_run_sends_nothing_and_shows_no_token(sender: Sender, way: str) -> None:
    done = sender.run(way, "crit", f"dry-{way}", "--dry-run")
    assert f"dry-{way}" in done.stdout
    assert sender.environment["BP_API_TOKEN"] not in done.stdout
    assert sender.alerts(f"dry-{way}") == []


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_is_read_from_the_input(sender: Sender, way: str) -> None:
    lines = [json.dumps({"status": "warning", "host": f"batch-{way}", "check": f"c{number}"}) for number in range(1203)]
    done = sender.run(way, "--batch", text="\n\n".join(lines))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(sender.alerts(f"batch-{way}")) == 1203


@pytest.mark.parametrize("way", WAYS)
def test_while_the_console_is_busy_it_is_tried_again_under_the_same_key(sender: Sender, flaky: Any, way: str) -> None:
    flaky.replies += [503, 429, 500]
    assert sender.run(way, "crit", "web-1", BP_BASE_URL=flaky.url).returncode == 0
    assert len(flaky.seen) == 4
    assert len(set(flaky.seen)) == 1
    assert sender.run(way, "crit", "web-1", BP_BASE_URL=flaky.url).returncode == 0
    assert len({key for key, _ in flaky.seen}) == 2


@pytest.mark.parametrize("way", WAYS)
def test_it_gives_up_in_the_end(sender: Sender, flaky: Any, way: str) -> None:
    flaky.replies += [503] * 9
    done = sender.run(way, "crit", "web-1", "-r", "2", BP_BASE_URL=flaky.url)
    assert (done.returncode, len(flaky.seen)) == (2, 3)
    assert "503" in done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_what_is_refused_is_not_tried_again_and_the_reason_is_told(sender: Sender, way: str) -> None:
    done = sender.run(way, "crit", "web-1", BP_APP_KEY="wrong")
    assert done.returncode == 2
    assert "is not known here" in done.stderr
    done = sender.run(way, "crit", "web-1", BP_API_TOKEN="wrong")
    assert done.returncode == 2
    assert "401" in done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_nobody_there_is_exit_code_2(sender: Sender, way: str) -> None:
    done = sender.run(way, "crit", "web-1", "-r", "0", BP_BASE_URL="http://127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["crit"],
        ["bad", "web-1"],
        ["crit", "web-1", "-e", "novalue"],
        ["crit", "web-1", "-t", "soon"],
        ["crit", "web-1", "--loud"],
    ],
)
def test_wrong_arguments_are_exit_code_1(sender: Sender, way: str, arguments: list[str]) -> None:
    done = sender.run(way, *arguments)
    assert done.returncode == 1
    assert done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_a_line_that_is_no_object_is_named(sender: Sender, way: str) -> None:
    done = sender.run(way, "--batch", text='{"status": "ok", "host": "a"}\nnonsense\n')
    assert done.returncode == 1
    assert "line 2" in done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_a_proxy_is_asked(sender: Sender, flaky: Any, way: str) -> None:
    assert sender.run(way, "crit", "web-1", "-x", flaky.url, BP_BASE_URL="http://console.invalid").returncode == 0
    assert len(flaky.seen) == 1


@pytest.mark.parametrize("way", WAYS)
def test_help_says_what_can_be_done(sender: Sender, way: str) -> None:
    done = sender.run(way, "--help")
    assert done.returncode == 0
    assert "--batch" in done.stdout
    assert "BP_API_TOKEN" in done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_the_token_stands_in_no_list_of_processes(sender: Sender, tmp_path: Path, shell: str) -> None:
    spy = tmp_path / "curl"
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\ncat > {tmp_path}/input\nprintf 201\n')
    spy.chmod(0o755)
    assert sender.run(shell, "crit", "web-1", PATH=f"{tmp_path}:{os.environ['PATH']}").returncode == 0
    token = sender.environment["BP_API_TOKEN"]
    assert token not in (tmp_path / "arguments").read_text()
    assert token in (tmp_path / "input").read_text()


def test_the_python_module_has_the_calls_of_bigpandas_own(sender: Sender) -> None:
    code = """
import bigpanda, os
console = bigpanda.Client(api_token=os.environ["BP_API_TOKEN"], app_key=os.environ["BP_APP_KEY"], base_url=os.environ["BASE"])
alert = console.alert("warn", "module-1", "ping", connections=124).send()
alert.status = "crit"
console.send([alert, console.alert("crit", "module-1", "load")])
deployment = console.deployment("shop", "1.0", "module-1", owner="Paul").start()
deployment.failure("disk full")
"""
    surroundings = {**os.environ, **sender.environment, "BASE": sender.console.url, "PYTHONPATH": str(sender.folder)}
    done = subprocess.run([sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert [(each["check"], each["status"]) for each in sender.alerts("module-1")] == [
        ("ping", "critical"),
        ("load", "critical"),
    ]
    asked = (
        "from incidents.models import Deployment; told = ('component', 'status', 'error_message', 'owner'); "
        "print(*Deployment.objects.values_list(*told)[0], sep='|')"
    )
    assert sender.console.manage("shell", "-v", "0", "-c", asked) == "shop|failure|disk full|Paul"


def test_the_archive_holds_what_pip_needs(sender: Sender) -> None:
    with tarfile.open(sender.folder / "bigpanda-3.0.tar.gz") as archive:
        assert sorted(archive.getnames()) == ["bigpanda-3.0/bigpanda.py", "bigpanda-3.0/pyproject.toml"]
        module = archive.extractfile("bigpanda-3.0/bigpanda.py")
        assert module is not None
        assert module.read() == (sender.folder / "bigpanda.py").read_bytes()
