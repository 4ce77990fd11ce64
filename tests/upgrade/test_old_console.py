"""A console whose data was made by older code starts on the code of this tree and shows the same.

A folder of `data/` holds such data: a SQLite file, SQL for PostgreSQL, and a record of the answers that the older code gave to several people
at one moment. `make_old_console.py` makes a folder. Where a text changes on purpose, `REWORDED` names both texts; after many such changes,
`make_old_console.py` records the answers again.
"""

from __future__ import annotations

import http.cookiejar
import json
import re
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.running_console import PATIENCE, RunningConsole, eventually
from tests.upgrade.old_console import DATA, OldConsole

CONSOLES = [OldConsole(folder) for folder in DATA.iterdir()]
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
REWORDED = {
    "Back from its snooze: its time is over": "Snooze ended: its time is over",
    "released the incident": "unassigned the incident",
    "Set the priority of": "Set priority of",
    "took the acknowledgement back": "unacknowledged the incident",
    "undid: priority changed": "undid: priority set",
    "undid: resolved by hand": "undid: resolved",
    "/release": "/unassign",
    "see those incidents nowhere.\nAdministrator": (
        "see those incidents nowhere.\nThe chosen roles also see those of its incidents that other environments keep for"
        " other roles.\nAdministrator"
    ),
    "with no session and no sign-in.\n": (
        "with no session and no sign-in. It shows what you may see, and ends when you may no longer see it.\n"
    ),
    "State\nLink ends in": "State\nExpires\nLink ends in",
    **{
        f"{state}\n…{suffix}": f"{state}\n[2026-06-22T14:30:00+00:00] 2026-06-22 16:30:00 +02:00\n…{suffix}"
        for state, suffix in (("Active", "e8d6"), ("Revoked", "1909"))
    },
}
pytestmark = pytest.mark.parametrize("old", CONSOLES, ids=lambda old: old.folder.name)


@pytest.fixture
def settings(old: OldConsole, tmp_path: Path, own_database: dict[str, str]) -> dict[str, str]:
    """Return the settings of a console on a copy of the old data."""
    return old.unpack(tmp_path / "data", own_database.get("DATABASE_URL", ""))


def test_it_shows_the_same_feed_history_and_audit_log(old: OldConsole, settings: dict[str, str]) -> None:
    shown, recorded = old.look(settings), old.recorded(on_postgres="DATABASE_URL" in settings)
    pairs = [pair for who in recorded for pair in zip(recorded[who], shown[who], strict=True)]
    pairs = [(before.reworded(REWORDED), now.reworded(REWORDED)) for before, now in pairs]
    differences = [before.difference(now) for before, now in pairs if not before.is_still_shown_by(now)]
    assert not differences, f"{len(differences)} of {len(pairs)} answers differ:\n" + "\n".join(differences)


class Person:
    """A user of a running console, with a browser and an API key."""

    def __init__(self, console: RunningConsole, name: str, old: OldConsole) -> None:
        self.url, self.key = console.url, old.known["secrets"][f"key-of-{name}"]
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self.send("/login", username=name, password=old.known["passwords"][name])

    def send(self, path: str, **fields: str) -> None:
        """Send a form, with the token of a page."""
        with self.browser.open(f"{self.url}/", timeout=PATIENCE) as page:
            token = TOKEN.findall(page.read().decode())[0]
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        self.browser.open(f"{self.url}{path}", body, timeout=PATIENCE).close()

    def get(self, path: str) -> Any:
        """Return a resource."""
        headers = {"Authorization": f"Bearer {self.key}"}
        request = urllib.request.Request(f"{self.url}/resources/v2.0{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return json.load(reply)

    def status_of(self, incident: int) -> str:
        return str(self.get(f"/environments/all/incidents/{incident}")["status"])

    def alerts_of(self, incident: int) -> int:
        return len(self.get(f"/environments/all/incidents/{incident}")["alerts"])

    def undo(self, incident: int, kind: str) -> None:
        """Undo the newest activity of a kind, with the button of the incident's history."""
        activity = self.get(f"/incidents/{incident}/activities?types={kind}")["items"][0]["id"]
        self.send(f"/incidents/{incident}/undo", activity=activity)


def test_its_alerts_and_actions_go_on(old: OldConsole, settings: dict[str, str]) -> None:
    secrets, number = old.known["secrets"], old.known["numbers"]
    with RunningConsole(Path(settings["CONSOLE_DATA"]), settings=settings) as console:
        rosa = Person(console, "rosa", old)

        def post_event(**alert: str) -> None:
            body = {"app_key": secrets["Nagios"], "status": "critical", "check": "Disk full", **alert}
            headers = {"Authorization": f"Bearer {secrets['senders']}", "Content-Type": "application/json"}
            request = urllib.request.Request(f"{console.url}/data/v2/alerts", json.dumps(body).encode(), headers)
            with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
                assert reply.status == 201

        assert rosa.status_of(number["mail_2"]) == "Warning"
        post_event(host="mail-2")  # an alert of the old code
        post_event(host="mail-3", cluster="mail")
        post_event(host="mail-4", cluster="mail")
        new = "/environments/all/incidents?query=cluster+%3D+mail"
        eventually(lambda: rosa.status_of(number["mail_2"]) == "Critical", "the old alert is correlated")
        eventually(lambda: [len(each["alerts"]) for each in rosa.get(new)["items"]] == [2], "the new alerts are joined")

        assert rosa.status_of(number["to_reopen"]) == "Ok"
        rosa.undo(number["to_reopen"], "incident_resolved_ui_manually")
        assert rosa.status_of(number["to_reopen"]) == "Critical"

        merged = number["to_part"], number["to_leave"]
        assert [rosa.alerts_of(each) for each in merged] == [2, 0]
        rosa.undo(number["to_part"], "incident_merged_destination")
        assert [rosa.alerts_of(each) for each in merged] == [1, 1]
