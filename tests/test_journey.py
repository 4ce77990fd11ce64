"""The README's first five minutes, from an empty folder to a resolved incident, as a script would walk them."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.running_console import CODE, RunningConsole, eventually

INCIDENTS = """
import json
from incidents.models import Incident
print(json.dumps([[incident.title, incident.subtitle, incident.alerts_count, incident.is_open] for incident in Incident.objects.all()]))
"""


def incidents(console: RunningConsole) -> list[list[Any]]:
    rows: list[list[Any]] = json.loads(console.manage("shell", "--no-imports", "-c", INCIDENTS).splitlines()[-1])
    return rows


@pytest.mark.any_database
def test_from_an_empty_folder_to_a_resolved_incident(tmp_path: Path, own_database: dict[str, str]) -> None:
    with RunningConsole(tmp_path / "a folder with a space", settings=own_database) as console:
        assert console.password, "the first start prints an administrator's login"

        app_key = console.manage("create_app_key", "Nagios")
        token = console.manage("create_org_token", "Nagios")
        assert (len(token), len(app_key)) == (32, 32), "the secret stands alone on stdout"

        def post(status: str) -> tuple[int, bytes]:
            alert = {"app_key": app_key, "status": status, "host": "production-database-1", "check": "CPU overloaded"}
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            request = urllib.request.Request(console.url + "/data/v2/alerts", json.dumps(alert).encode(), headers)
            with urllib.request.urlopen(request) as reply:
                return reply.status, reply.read()

        assert post("critical") == (201, b'{"response":{"status":"success"}}')
        row = ["production-database-1", "CPU overloaded", 1]
        eventually(lambda: incidents(console) == [[*row, True]], "the alert was one open incident")

        assert post("critical") == (204, b""), "the same again is a duplicate"
        assert incidents(console) == [[*row, True]]

        assert post("ok")[0] == 201
        eventually(lambda: incidents(console) == [[*row, False]], "the incident resolved by itself")


@pytest.mark.any_database
@pytest.mark.parametrize("command", ["create_org_token --all-app-keys", "create_app_key", "create_user"])
def test_a_name_that_is_taken_is_a_clear_error(command: str, tmp_path: Path) -> None:
    console = RunningConsole.prepared(tmp_path)  # the commands need no process of it
    assert console.manage(*command.split(), "Nagios")
    arguments = [sys.executable, "manage.py", *command.split(), "nagios"]
    again = subprocess.run(arguments, cwd=CODE, env=console.environment, capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (1, "")
    assert "taken" in again.stderr
    assert "Traceback" not in again.stderr
