"""All consoles on one database have the same secret key; a console with another one does not start."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from bigpanda_site import asgi
from bigpanda_site.celery import check_secret_key
from people import secret_key
from people.models import SecretKey

pytestmark = pytest.mark.django_db(transaction=True)


def start_web() -> list[dict[str, Any]]:
    """Return what the web process tells its server at the start."""
    told: list[dict[str, Any]] = []

    async def play() -> None:
        messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        messages.put_nowait({"type": "lifespan.startup"})

        async def send(message: dict[str, Any]) -> None:
            told.append(message)

        await asyncio.wait_for(asgi.application({"type": "lifespan"}, messages.get, send), 30)

    asyncio.run(play())
    return told


def test_the_first_console_leaves_a_fingerprint_and_the_same_key_is_welcome() -> None:
    secret_key.check()
    secret_key.check()
    assert SecretKey.objects.get().fingerprint == secret_key.fingerprint()


def test_the_fingerprint_does_not_show_the_key(settings: Any) -> None:
    settings.SECRET_KEY = "a-very-secret-key"
    secret_key.check()
    assert settings.SECRET_KEY not in SecretKey.objects.get().fingerprint


def test_neither_web_nor_worker_starts_with_another_key(settings: Any) -> None:
    secret_key.check()
    settings.SECRET_KEY = "another"
    (failed,) = start_web()
    assert failed["type"] == "lifespan.startup.failed"
    assert "copy the file secret_key" in failed["message"]
    with pytest.raises(SystemExit, match="set CONSOLE_SECRET_KEY"):
        check_secret_key()


def test_a_key_that_was_changed_on_purpose_can_be_accepted(settings: Any) -> None:
    secret_key.check()
    settings.SECRET_KEY = "another"
    with pytest.raises(ImproperlyConfigured):
        secret_key.check()
    assert "people sign in again" in call_command("accept_secret_key")
    secret_key.check()
    assert "Nothing was changed" in call_command("accept_secret_key")
