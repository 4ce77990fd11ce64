"""BigPanda's own Python client works with the console, unchanged except for the base URL.

The client is an sdist from the time of Python 2, so it is no part of the environment. The test fetches it by its hash
into a folder of its own. Its modules use the implicit relative imports of Python 2, which work if that folder is on the
path too.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running_console import RunningConsole

pytestmark = pytest.mark.any_database

LOCK = Path(__file__).parent / "bigpanda.lock"
UNREACHABLE = re.compile(r"connection|network|resolve|timed out|dns|error sending request", re.IGNORECASE)


@pytest.fixture(scope="module")
def client_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path on which Python finds the client."""
    target = tmp_path_factory.mktemp("bigpanda")
    done = subprocess.run(
        [
            *_installer(),
            "--target",
            str(target),
            "--no-deps",
            "--require-hashes",
            "--no-binary",
            "bigpanda",
            "-r",
            str(LOCK),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip("the package index cannot be reached, so BigPanda's own client is not here to be tried")
    assert done.returncode == 0, done.stderr
    return os.pathsep.join((str(target), str(target / "bigpanda")))


def _installer() -> list[str]:
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pytest.skip("neither uv nor pip is here to fetch BigPanda's own client")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    with RunningConsole.prepared(tmp_path_factory.mktemp("console")) as console:
        yield console


@pytest.fixture(scope="module")
def secrets(console: RunningConsole) -> dict[str, str]:
    return {
        "TOKEN": console.manage("create_org_token", "client", "--all-app-keys"),
        "APP_KEY": console.manage("create_app_key", "client"),
    }


@pytest.fixture
def played(console: RunningConsole, secrets: dict[str, str], client_path: str) -> Any:
    """Run lines of Python in which `bp` is the client."""
    begin = "import bigpanda, os\nbp = bigpanda.Client(api_token=os.environ['TOKEN'], app_key=os.environ['APP_KEY'], base_url=os.environ['URL'])\n"

    def play(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        surroundings = {**os.environ, **secrets, "URL": console.url, "PYTHONPATH": client_path, **environment}
        return subprocess.run(
            [sys.executable, "-c", begin + code], env=surroundings, capture_output=True, text=True, timeout=60
        )

    return play


def asked(console: RunningConsole, code: str) -> str:
    return console.manage("shell", "-v", "0", "-c", code)


def statuses(console: RunningConsole, host: str) -> str:
    code = "from alerts.models import Alert; found = [a for a in Alert.objects.order_by('pk') if a.tags.get('host') == %r]; "
    return asked(console, code % host + "print(*[f\"{a.tags.get('check')}={a.get_status_display()}\" for a in found])")


def test_its_alerts_arrive_change_and_end(console: RunningConsole, played: Any) -> None:
    done = played(
        "alert = bp.alert('warn', 'client-1', 'cpu', description='busy', cluster='fra', connections=124).send()"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert statuses(console, "client-1") == "cpu=warning"
    played("bp.alert('crit', 'client-1', 'cpu').send()")
    assert statuses(console, "client-1") == "cpu=critical"
    played("bp.alert('ok', 'client-1', 'cpu').send()")
    assert statuses(console, "client-1") == "cpu=ok"


def test_its_batches_arrive(console: RunningConsole, played: Any) -> None:
    done = played("bp.send([bp.alert('crit', 'client-2', 'a'), bp.alert('ack', 'client-2', 'b')])")
    assert (done.returncode, done.stderr) == (0, "")
    assert statuses(console, "client-2") == "a=critical b=acknowledged"


def test_a_duplicate_is_no_error_to_it(played: Any) -> None:
    done = played("alert = bp.alert('crit', 'client-3', timestamp=1700000000)\nalert.send()\nalert.send()")
    assert (done.returncode, done.stderr) == (0, "")


def test_its_deployments_are_told(console: RunningConsole, played: Any) -> None:
    done = played("bp.deployment('shop', '1.0', 'client-1', owner='Paul', env='stage').start().success()")
    assert (done.returncode, done.stderr) == (0, "")
    played("bp.deployment('shop', '1.1', ['client-1', 'client-2']).start().failure('disk full')")
    code = "from incidents.models import Deployment; told = Deployment.objects.order_by('pk'); "
    told = asked(console, code + "print(*told.values_list('version', 'status', 'error_message'))")
    assert told == "('1.0', 'success', '') ('1.1', 'failure', 'disk full')"


def test_a_refusal_is_an_error_to_it(played: Any) -> None:
    for wrong in ("TOKEN", "APP_KEY"):
        assert "HTTPError" in played("bp.alert('crit', 'client-4').send()", **{wrong: "wrong"}).stderr
