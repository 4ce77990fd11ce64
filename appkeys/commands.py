"""The commands that send a test alert, ready to paste into a shell."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

BY_VARIABLE = '"\'"$APP_KEY"\'"'  # a JSON string that closes the single quotes around it, and opens them again


@dataclass(frozen=True, slots=True)
class TestAlert:
    """BigPanda's own example (bigpanda.md §6), from a sender with these secrets. A secret that is not at hand is left to a shell variable."""

    __test__ = False  # not for pytest

    url: str
    integration: str
    app_key: str = ""
    token: str = ""

    @property
    def critical(self) -> str:
        return self._command("critical")

    @property
    def ok(self) -> str:
        return self._command("ok")

    def _command(self, status: str) -> str:
        authorization = f"Authorization: Bearer {self.token or '$TOKEN'}"
        parts = (
            f"curl -X POST {shlex.quote(self.url)}",
            "-H 'Content-Type: application/json'",
            f"-H {shlex.quote(authorization)}" if self.token else f'-H "{authorization}"',
            f"-d {self._body(status)}",
        )
        return " \\\n  ".join(parts)

    def _body(self, status: str) -> str:
        alert = {
            "app_key": self.app_key or "$APP_KEY",
            "status": status,
            "host": "production-database-1",
            "check": "CPU overloaded",
            "description": f"Test alert of the integration {self.integration}",
        }
        quoted = shlex.quote(json.dumps(alert, indent=2, ensure_ascii=False))
        # Nothing expands between single quotes, so the variable stands between two of them; the key comes first, before any text of a person.
        return quoted if self.app_key else quoted.replace('"$APP_KEY"', BY_VARIABLE, 1)
