"""Shell commands that send a test alert."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

BY_VARIABLE = '"\'"$APP_KEY"\'"'  # a JSON string that closes the single quotes around it, and opens them again


@dataclass(frozen=True, slots=True)
class TestAlert:
    """Commands for BigPanda's own example alert (docs/wire-contract.md §7.2). A shell variable stands for a secret that is not known."""

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

    @property
    def bash(self) -> str:
        """Return the command that uses the Bash wrapper."""
        return "\n".join(
            (
                f"curl -sSO {shlex.quote(self.download('bigpanda-alert'))} && chmod +x bigpanda-alert",
                *self._exports(),
                "./bigpanda-alert crit production-database-1 'CPU overloaded' -d 'Test alert' -e team=databases",
                "./bigpanda-alert ok production-database-1 'CPU overloaded'",
            )
        )

    @property
    def python(self) -> str:
        """Return the command that uses the Python module."""
        client = f"bigpanda.Client(os.environ['BP_API_TOKEN'], os.environ['BP_APP_KEY'], {self.server!r})"
        code = "\n".join(
            (
                "import bigpanda, os",
                f"console = {client}",
                "console.alert('crit', 'production-database-1', 'CPU overloaded', team='databases').send()",
                "console.alert('ok', 'production-database-1', 'CPU overloaded').send()",
            )
        )
        download = (
            f"pip install {shlex.quote(self.download('bigpanda-3.0.tar.gz'))}  # or save {self.download('bigpanda.py')}"
        )
        return "\n".join((download, *self._exports(), f"python3 - <<'END'\n{code}\nEND"))

    @property
    def server(self) -> str:
        return self.url.removesuffix("/data/v2/alerts")

    def download(self, name: str) -> str:
        return f"{self.server}/download/{name}"

    def _exports(self) -> tuple[str, str]:
        token, app_key = self.token or '"$TOKEN"', self.app_key or '"$APP_KEY"'
        return f"export BP_API_TOKEN={token} BP_APP_KEY={app_key}", f"export BP_BASE_URL={shlex.quote(self.server)}"

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
