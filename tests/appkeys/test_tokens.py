"""Org tokens: what each may do, for whom and for how long, and what a sender is told when it may not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from time_machine import travel

from appkeys.models import AppKey, OrgToken
from people.models import User


@pytest.fixture
def administering(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def made(client: Client, **fields: Any) -> str:
    secret: str = client.post("/integrations/tokens/new", {"name": "Scripts", **fields}).context["secret"]
    return secret


def sent(token: str, app_key: str, path: str = "/data/v2/alerts") -> Any:
    client = Client(headers={"Authorization": f"Bearer {token}"})
    body = {"app_key": app_key, "status": "critical", "host": "web-1"}
    return client.post(path, body, content_type="application/json")


def refusal(reply: Any, status: int) -> str:
    assert reply.status_code == status
    return str(reply.json()["errors"][0])


def test_a_token_for_some_integrations_speaks_for_those_only(administering: Client, app_key: Any) -> None:
    other, secret = AppKey.issue(name="Zabbix")
    token = made(administering, app_keys=[other.pk])
    assert sent(token, secret).status_code == 201
    assert "may not speak for the integration 'Nagios'" in refusal(sent(token, app_key.secret), 403)
    assert "for Zabbix" in administering.get("/integrations/tokens").content.decode()


def test_it_stays_limited_when_its_only_integration_is_gone(administering: Client, app_key: Any) -> None:
    other, _ = AppKey.issue(name="Zabbix")
    token = made(administering, app_keys=[other.pk])
    OrgToken.objects.get().app_keys.clear()
    assert sent(token, app_key.secret).status_code == 403


def test_a_token_for_the_v1_resources_sends_nothing(administering: Client, app_key: Any) -> None:
    token = made(administering, scope="resources")
    assert "for the v1 resources only" in refusal(sent(token, app_key.secret), 403)


def test_an_expired_token_says_since_when(administering: Client, app_key: Any) -> None:
    token = made(administering, months="6")
    assert sent(token, app_key.secret).status_code == 201
    with travel(timezone.now() + timedelta(days=190)):
        assert "expired on 20" in refusal(sent(token, app_key.secret), 401)
        administering.force_login(User.objects.get())
        assert "Expired" in administering.get("/integrations/tokens").content.decode()


def test_the_last_use_is_shown(administering: Client, app_key: Any) -> None:
    token = made(administering)
    assert ">never</span>" in administering.get("/integrations/tokens").content.decode()
    sent(token, app_key.secret)
    row = administering.get("/integrations/tokens").content.decode().split("<tbody>")[1]
    assert row.count("never") == 1  # expires


@pytest.mark.parametrize(("field", "value"), [("scope", "all"), ("months", "7"), ("app_keys", "999")])
def test_what_is_not_offered_is_told_at_its_field(administering: Client, app_key: Any, field: str, value: str) -> None:
    reply = administering.post("/integrations/tokens/new", {"name": "Scripts", field: value})
    assert "field-error" in reply.content.decode()
    assert not OrgToken.objects.exists()
