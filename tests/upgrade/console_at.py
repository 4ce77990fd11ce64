"""A console in this process, at a time that the process chooses.

As a program, `python -m tests.upgrade.console_at` migrates a console and looks at its pages and resources. Standard input names the console and
the addresses, standard output holds the answers. Both are JSON; `OldConsole.look` writes the one and reads the other.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, Protocol, cast

import django
import time_machine
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

OWN_SETTINGS = ("CONSOLE_", "DATABASE_URL", "REDIS_URL")


class Reply(Protocol):
    """Answer of the console."""

    status_code: int
    content: bytes
    streaming: bool
    streaming_content: Any
    headers: Any


class ConsoleAt:
    """Console with the code of one checkout, on one data folder or database, whose clock stands still between two calls of `go_to`.

    A process can hold one such console, because the clock and the settings of Django belong to the process.
    """

    def __init__(self, code: Path, settings: Mapping[str, str], moment: datetime) -> None:
        os.chdir(code)
        sys.path.insert(0, str(code))
        for name in [name for name in os.environ if name.startswith(OWN_SETTINGS)]:
            del os.environ[name]
        os.environ |= {"DJANGO_SETTINGS_MODULE": "bigpanda_site.settings", **settings}
        self._clock = time_machine.travel(moment, tick=False).start()
        # Secrets and keys are the same in each run, so that two databases can be filled alike.
        self._random = random.Random(0)
        os.urandom = random._urandom = lambda size: self._random.randbytes(size)  # type: ignore[attr-defined]
        self._browsers: dict[str, Client] = {}
        django.setup()

    def go_to(self, moment: datetime) -> None:
        """Move the clock forward."""
        assert moment >= datetime.now(UTC), f"{moment} is in the past"
        self._clock.move_to(moment)
        self._random.seed(int(moment.timestamp()))

    def run_periodic_tasks(self) -> None:
        """Run each periodic task once, in the place of beat and a worker."""
        from bigpanda_site import celery_app  # the package of the checkout

        celery_app.loader.import_default_modules()
        for entry in celery_app.conf.beat_schedule.values():
            celery_app.tasks[entry["task"]].apply(throw=True)

    def manage(self, command: str, *arguments: str) -> str:
        """Return the output of a management command."""
        output = StringIO()
        call_command(command, *arguments, stdout=output)
        return output.getvalue().strip()

    def browser(self, name: str = "", password: str = "") -> Client:
        """Return a browser in which a user is signed in, or with no name a browser in which nobody is."""
        if name not in self._browsers:
            self._browsers[name] = Client(SERVER_NAME="localhost")
            if name:
                user = get_user_model()._default_manager.get(username=name)
                assert user.check_password(password), f"{name} cannot sign in"
                self._browsers[name].force_login(user)  # not by the form, because the audit log records its use
        return self._browsers[name]

    def call(self, secret: str, path: str, body: object = None, *, method: str = "") -> Reply:
        """Send a request to the API with an org token or an API key."""
        client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {secret}"})
        if body is None:
            return cast(Reply, client.generic(method or "GET", path))
        return cast(Reply, client.generic(method or "POST", path, json.dumps(body), content_type="application/json"))


def main() -> None:
    asked = json.load(sys.stdin)
    passwords, secrets = asked["passwords"], asked["secrets"]
    console = ConsoleAt(Path(asked["code"]), asked["settings"], datetime.fromisoformat(asked["moment"]))
    call_command("migrate", verbosity=0)
    call_command("makemigrations", check_changes=True, dry_run=True, stdout=sys.stderr)

    def get(who: str, path: str) -> tuple[str, int, str, str, str]:
        if who in secrets:
            reply = console.call(secrets[who], path)
        else:
            browser = console.browser(who, passwords[who]) if who in passwords else console.browser()
            reply = cast(Reply, browser.get(path))
        body = b"".join(reply.streaming_content) if reply.streaming else reply.content
        kind, location = (reply.headers.get(name, "") for name in ("Content-Type", "Location"))
        return path, reply.status_code, kind, body.decode(), location

    json.dump({who: [get(who, path) for path in paths] for who, paths in asked["views"].items()}, sys.stdout)


if __name__ == "__main__":
    main()
