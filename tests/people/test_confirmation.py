"""The password is asked again before a change that gives access, and nothing that was typed is lost."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from time_machine import travel

from appkeys.models import AppKey, OrgToken
from people.models import ApiKey, BuiltIn, Role, User
from tests.conftest import PASSWORD

LATER = timedelta(minutes=11)


@pytest.fixture
def administering(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def told(reply: Any) -> str:
    return str(reply.content.decode())


def repeated(reply: Any) -> dict[str, list[str]]:
    """Return the fields that the question repeats."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', told(reply)):
        if name not in ("csrfmiddlewaretoken", "next"):
            found.setdefault(unescape(name), []).append(unescape(value))
    return found


@pytest.mark.parametrize(
    ("path", "fields", "made"),
    [
        ("/me/keys", {"name": "Night\nshift & co"}, lambda: ApiKey.objects.exists()),
        ("/integrations/new/nagios", {"name": "Nagios"}, lambda: AppKey.objects.exists()),
        ("/integrations/tokens/new", {"name": "Senders", "reach": "all"}, lambda: OrgToken.objects.exists()),
        ("/people/roles/new", {"name": "Auditor"}, lambda: Role.objects.filter(name="Auditor").exists()),
        ("/people/invite", {"username": "nina"}, lambda: User.objects.filter(username="nina").exists()),
        ("/people/1/change", {"username": "vera2"}, lambda: User.objects.filter(username="vera2").exists()),
    ],
)
def test_what_gives_access_asks_for_the_password_of_a_browser_that_was_left_open(
    administering: Client, viewer: User, path: str, fields: dict[str, str], made: Any
) -> None:
    path = path.replace("/1/", f"/{viewer.pk}/")
    fields = {**fields, "role": str(Role.objects.built_in(BuiltIn.VIEWER).pk)}
    with travel(timezone.now() + LATER, tick=False):
        asked = administering.post(path, fields)
        assert "Confirm that it is you" in told(asked)
        assert not made()
        assert repeated(asked) == {name: [value] for name, value in fields.items()}


def test_the_right_password_does_what_was_asked_and_holds_for_ten_minutes(administering: Client, admin: User) -> None:
    app_keys = [AppKey.issue(name=name)[0] for name in ("Nagios", "Zabbix", "Icinga")]
    with travel(timezone.now() + LATER) as clock:
        fields: dict[str, Any] = {"name": "Senders", "scope": "sending", "app_keys": [app_keys[0].pk, app_keys[2].pk]}
        asked = repeated(administering.post("/integrations/tokens/new", fields))
        wrong = administering.post("/integrations/tokens/new", {**asked, "your_password": "not it"})
        assert "This is not your password" in told(wrong)
        assert repeated(wrong) == asked
        made = administering.post("/integrations/tokens/new", {**asked, "your_password": PASSWORD})
        assert OrgToken.objects.get().name == "Senders"
        assert made.context["secret"]
        assert PASSWORD not in told(made)
        clock.shift(timedelta(minutes=5))
        administering.post("/me/keys", {"name": "At once"})
        assert ApiKey.objects.count() == 1
        clock.shift(timedelta(minutes=6))
        assert "Confirm that it is you" in told(administering.post("/me/keys", {"name": "Too late"}))


def test_guessing_the_password_of_an_open_browser_is_limited(administering: Client) -> None:
    with travel(timezone.now() + LATER, tick=False):
        for _ in range(settings.AXES_FAILURE_LIMIT):
            reply = administering.post("/me/keys", {"name": "Mine", "your_password": "guess"})
        assert reply.status_code == 429
        administering.post("/me/keys", {"name": "Mine", "your_password": PASSWORD})
    assert not ApiKey.objects.exists()


def test_a_form_sent_by_htmx_is_asked_in_the_dialog(administering: Client) -> None:
    with travel(timezone.now() + LATER, tick=False):
        headers = {"HX-Request": "true", "HX-Target": "pane"}
        asked = administering.post("/me/keys", {"name": "Mine"}, headers=headers)
    assert asked.headers["HX-Retarget"] == "#dialog"
    assert 'hx-post="/me/keys" hx-target="#pane"' in told(asked)
    assert "<html" not in told(asked)


def test_a_role_that_may_not_is_refused_and_not_asked(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    with travel(timezone.now() + LATER, tick=False):
        assert client.post("/people/invite", {"username": "nina"}).status_code == 403
