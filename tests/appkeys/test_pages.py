"""Integrations and org tokens, from naming one to its first incident."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import Any

import pytest
from django.test import Client

from appkeys.authentication import find_app_key
from appkeys.commands import TestAlert
from appkeys.models import AppKey, OrgToken
from people.models import User
from tests.conftest import PostEvent, Send


@pytest.fixture
def administering(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def body_of(command: str) -> dict[str, str]:
    words = shlex.split(command)
    sent: dict[str, str] = json.loads(words[words.index("-d") + 1])
    return sent


def test_the_first_integration_comes_with_a_token(administering: Client) -> None:
    reply = administering.post("/integrations/new/api", {"name": "Nagios Frankfurt"})
    assert OrgToken.objects.count() == 1
    assert find_app_key(reply.context["secret"]) == AppKey.objects.get(name="Nagios Frankfurt")
    shown = reply.content.decode()
    assert shown.count(reply.context["token"]) == 5  # by itself, in both commands, and for both wrappers
    assert "never shown again" in shown
    assert "no-store" in reply.headers["Cache-Control"]


def test_a_further_one_gets_a_token_when_asked(administering: Client, org_token: OrgToken) -> None:
    without = administering.post("/integrations/new/api", {"name": "Zabbix"})
    assert not without.context["token"]
    assert "$TOKEN" in without.context["commands"].critical
    administering.post("/integrations/new/api", {"name": "Datadog", "with_token": "on"})
    assert OrgToken.objects.filter(name="Datadog").exists()


def test_secrets_are_shown_once(administering: Client) -> None:
    reply = administering.post("/integrations/new/api", {"name": "Nagios"})
    later = administering.get(f"/integrations/{reply.context['app_key'].pk}").content.decode()
    assert reply.context["secret"] not in later
    assert reply.context["token"] not in later
    assert "$APP_KEY" in later


@pytest.mark.parametrize("name", ["", "   ", "nagios", "x" * 101])
def test_a_name_that_cannot_be_had_is_told_at_the_field(administering: Client, app_key: AppKey, name: str) -> None:
    reply = administering.post("/integrations/new/api", {"name": name})
    assert 'id="id_name-error"' in reply.content.decode()
    assert AppKey.objects.count() == 1
    assert not OrgToken.objects.exists()


NAMES = [
    "Plain",
    "it's",
    'a "quoted" one',
    "$(touch /tmp/x) `id` $HOME",
    "back\\slash",
    "ünï→",
    "-d @file",
    "</script>",
]


@pytest.mark.parametrize("name", NAMES)
def test_commands_are_valid_for_any_name(name: str) -> None:
    commands = TestAlert("https://console.example.com/data/v2/alerts", name, app_key="k" * 32, token="t" * 32)
    assert body_of(commands.critical) == {
        "app_key": "k" * 32,
        "status": "critical",
        "host": "production-database-1",
        "check": "CPU overloaded",
        "description": f"Test alert of the integration {name}",
    }
    assert body_of(commands.ok)["status"] == "ok"


@pytest.mark.parametrize("name", NAMES)
def test_placeholders_are_filled_by_the_shell(name: str) -> None:
    command = TestAlert("https://console.example.com/data/v2/alerts", name).critical
    show = f'curl() {{ printf "%s\\0" "$@"; }}\n{command}'
    done = subprocess.run(
        ["sh", "-c", show], env={**os.environ, "APP_KEY": "key-1", "TOKEN": "token-1"}, capture_output=True, check=True
    )
    words = done.stdout.decode().split("\0")
    assert "Authorization: Bearer token-1" in words
    sent = json.loads(words[words.index("-d") + 1])
    assert sent["app_key"] == "key-1"
    assert sent["description"].endswith(name)


def test_the_command_shown_makes_the_incident_it_promises(administering: Client, send: Send) -> None:
    reply = administering.post("/integrations/new/api", {"name": "Nagios"})
    app_key = reply.context["app_key"]
    assert "Pending" in administering.get(f"/integrations/{app_key.pk}/status").content.decode()
    assert send(body_of(reply.context["commands"].critical)).status_code == 201
    shown = administering.get(f"/integrations/{app_key.pk}/status").content.decode()
    assert "Installed" in shown
    assert "See the incident" in shown
    assert "hx-trigger" not in shown


def test_deactivate_asks_first_and_can_be_taken_back(
    administering: Client, app_key: Any, post_event: PostEvent
) -> None:
    assert "Deactivate Nagios?" in administering.get(f"/integrations/{app_key.pk}/deactivate").content.decode()
    administering.post(f"/integrations/{app_key.pk}/deactivate")
    assert post_event(host="db-1").status_code >= 400
    administering.post(f"/integrations/{app_key.pk}/activate")
    assert post_event(host="db-1").status_code == 201


def test_a_token_is_shown_once_revoked_and_restored(administering: Client) -> None:
    reply = administering.post("/integrations/tokens/new", {"name": "Scripts", "reach": "all"})
    token = OrgToken.objects.get()
    assert reply.context["secret"] in reply.content.decode()
    assert reply.context["secret"] not in administering.get("/integrations/tokens").content.decode()
    administering.post(f"/integrations/tokens/{token.pk}/revoke")
    token.refresh_from_db()
    assert not token.is_active
    administering.post(f"/integrations/tokens/{token.pk}/restore")
    token.refresh_from_db()
    assert token.is_active


def test_a_taken_token_name_is_told_at_the_field(administering: Client, org_token: OrgToken) -> None:
    reply = administering.post("/integrations/tokens/new", {"name": org_token.name.upper(), "reach": "all"})
    assert "taken already" in reply.content.decode()


@pytest.mark.parametrize("path", ["", "new", "new/api", "1", "1/status", "1/deactivate", "tokens", "tokens/1/revoke"])
@pytest.mark.parametrize("role", ["responder", "viewer"])
def test_only_administrators_see_integrations(
    client: Client, request: pytest.FixtureRequest, role: str, path: str
) -> None:
    client.force_login(request.getfixturevalue(role))
    reply = client.get(f"/integrations/{path}")
    assert reply.status_code == 403
    assert "Ask an administrator" in reply.content.decode()
    assert "Integrations</span>" not in client.get("/").content.decode()
