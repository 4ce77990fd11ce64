"""Short ways to send what senders and people of a console send."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.upgrade.console_at import ConsoleAt

DAY = datetime(2026, 3, 24, tzinfo=UTC)
FIELD_ERROR = re.compile(r'class="field-error.*?</p>', re.DOTALL)


class Speaker:
    """Everybody who speaks to a console over HTTP. Each request must succeed."""

    def __init__(self, console: ConsoleAt) -> None:
        self.console = console
        self.passwords: dict[str, str] = {}  # by user name
        self.secrets: dict[str, str] = {}  # org tokens, App Keys and API keys, by a name of ours
        self.numbers: dict[str, int] = {}  # of incidents and of a pattern, by a name of ours

    def go_to(self, hour: int, minute: int = 0, second: int = 0) -> None:
        """Move the clock to a time of the day in UTC, and let the periodic tasks run."""
        self.console.go_to(DAY + timedelta(hours=hour, minutes=minute, seconds=second))
        self.console.run_periodic_tasks()

    def page(self, person: str, path: str) -> str:
        """Return the HTML of a page."""
        reply: Any = self.console.browser(person, self.passwords[person]).get(path)
        assert reply.status_code == 200, f"{path}: {reply.status_code}"
        return str(reply.content.decode())

    def form(self, person: str, path: str, /, **fields: Any) -> str:
        """Send a form; return the address that the answer leads to, or the page that the answer shows."""
        reply: Any = self.console.browser(person, self.passwords[person]).post(path, fields)
        page = str(reply.content.decode())
        assert reply.status_code in (200, 302), f"{path}: {reply.status_code}"
        assert not FIELD_ERROR.search(page), f"{path}: {FIELD_ERROR.findall(page)}"
        return str(reply.url) if reply.status_code == 302 else page

    def api(self, secret: str, path: str, body: object = None, *, method: str = "", status: int = 0) -> Any:
        """Send a request with a named secret, and return the JSON of the answer. Without a status, any 2xx is expected."""
        reply = self.console.call(self.secrets[secret], path, body, method=method)
        is_expected = reply.status_code == status if status else 200 <= reply.status_code < 300
        assert is_expected, f"{path}: {reply.status_code} {reply.content!r}"
        return json.loads(reply.content) if reply.content else None

    # --- Alerts

    def send(
        self, app_key: str, host: str, check: str, state: str = "critical", *, status: int = 201, **tags: Any
    ) -> None:
        """Send one alert to the Alerts API, with the host as its primary property. `status` is the expected one of the answer."""
        alert = {"app_key": self.secrets[app_key], "status": state, "host": host, "check": check, **tags}
        self.api("senders", "/data/v2/alerts", alert, status=status)

    def send_batch(self, app_key: str, alerts: list[dict[str, Any]], *, status: int = 201) -> None:
        """Send several alerts in one request."""
        body = {"app_key": self.secrets[app_key], "alerts": alerts}
        self.api("senders", "/data/v2/alerts", body, status=status)

    # --- Incidents

    def note(self, **hosts: str) -> None:
        """Note the number of the newest incident of each host."""
        for name, host in hosts.items():
            self.numbers[name] = int(self._of_host(host)[0]["id"])

    def alert(self, host: str) -> str:
        """Return the key of the alert of a host."""
        alerts = [alert for incident in self._of_host(host) for alert in incident["alerts"]]
        return next(str(each["alert_id"]) for each in alerts if {"name": "host", "value": host} in each["tags"])

    def _of_host(self, host: str) -> Any:
        path = f"/resources/v2.0/environments/all/incidents?query=host+%3D+{host}&sort_by=start&expand=alerts"
        return self.api("key-of-ada", path)["items"]

    def activities(self, incident: str) -> list[int]:
        """Return the keys of an incident's activities, the newest first."""
        path = f"/resources/v2.0/incidents/{self.numbers[incident]}/activities?per_page=100"
        return [int(each["id"]) for each in self.api("key-of-ada", path)["items"]]

    def act(self, person: str, incident: str, action: str, /, **fields: Any) -> None:
        """Carry out an action on a noted incident. An action that the console refuses is an error."""
        before = self.activities(incident)
        self.form(person, f"/incidents/{self.numbers[incident]}/{action}", **fields)
        assert self.activities(incident) != before, f"{action} of {incident} did nothing"

    def undo(self, person: str, incident: str) -> None:
        """Undo the newest activity of an incident."""
        self.act(person, incident, "undo", activity=max(self.activities(incident)))

    def bulk(self, person: str, action: str, /, *, fields: dict[str, str] | None = None, **chosen: Any) -> None:
        """Carry out a bulk action on chosen incidents."""
        question = self.form(person, "/bulk", what=action, **chosen)
        self.form(person, re.findall(r"/bulk/\d+/start", question)[0], **(fields or {}))
