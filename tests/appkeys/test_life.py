"""The life of an integration: chosen in the gallery, renamed, deleted, restored."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from appkeys.gallery import TOOLS
from appkeys.models import AppKey
from people.models import AuditEntry, Role, User
from tests.conftest import PostEvent


@pytest.fixture
def administering(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def told(reply: Any) -> str:
    return str(reply.content.decode())


def test_the_gallery_shows_every_tool(administering: Client) -> None:
    page = told(administering.get("/integrations/new"))
    for tool in TOOLS.values():
        assert f'href="/integrations/new/{tool.slug}"' in page
        assert tool.title in page


@pytest.mark.parametrize("slug", TOOLS)
def test_a_tools_page_has_its_settings_with_address_key_and_token_filled_in(administering: Client, slug: str) -> None:
    reply = administering.post(f"/integrations/new/{slug}", {"name": "East side"})
    app_key, page = reply.context["app_key"], told(reply)
    assert app_key.source_system == f"{slug}.east_side"
    settings = "".join(re.findall(r"<pre.*?</pre>", page.split("<h2>Connect")[1], re.DOTALL))
    assert reply.context["secret"] in settings
    assert reply.context["token"] in settings
    assert f"http://testserver{TOOLS[slug].url}" in settings
    assert "$APP_KEY" not in settings
    assert "$TOKEN" not in settings


def test_a_tool_that_is_none_is_not_found(administering: Client) -> None:
    assert administering.get("/integrations/new/abacus").status_code == 404


def test_a_new_name_is_shown_and_the_source_system_stays(
    administering: Client, app_key: Any, post_event: PostEvent
) -> None:
    administering.post(f"/integrations/{app_key.pk}/rename", {"name": "Nagios East"})
    page = told(administering.get(f"/integrations/{app_key.pk}"))
    assert "<h1>Nagios East</h1>" in page
    assert "api.nagios<" in page
    assert post_event().status_code == 201
    assert AuditEntry.objects.filter(entity_name="Nagios East", change="changed").exists()


@pytest.mark.parametrize("name", ["", "ZABBIX", "x" * 101])
def test_a_name_that_cannot_be_had_is_told_at_the_field(administering: Client, app_key: Any, name: str) -> None:
    AppKey.issue(name="Zabbix")
    assert 'id="id_name-error"' in told(administering.post(f"/integrations/{app_key.pk}/rename", {"name": name}))
    assert AppKey.objects.filter(name="Nagios").exists()


def test_deleted_its_senders_are_told_and_its_history_stays(
    administering: Client, app_key: Any, post_event: PostEvent
) -> None:
    post_event(host="db-1")
    assert "Delete Nagios?" in told(administering.get(f"/integrations/{app_key.pk}/delete"))
    administering.post(f"/integrations/{app_key.pk}/delete")
    reply = post_event(host="db-2")
    assert reply.status_code == 400
    assert "was deleted" in reply.json()["errors"][0]
    assert administering.get(f"/integrations/{app_key.pk}").status_code == 404
    assert "db-1" in told(administering.get("/"))


def test_it_is_restored_with_the_same_secret(administering: Client, app_key: Any, post_event: PostEvent) -> None:
    administering.post(f"/integrations/{app_key.pk}/delete")
    assert f"/integrations/{app_key.pk}/restore" in told(administering.get("/integrations/"))
    administering.post(f"/integrations/{app_key.pk}/restore")
    assert post_event().status_code == 201


def test_its_name_is_free_once_it_is_deleted_and_restoring_it_says_when_it_is_not(
    administering: Client, app_key: Any
) -> None:
    administering.post(f"/integrations/{app_key.pk}/delete")
    second = administering.post("/integrations/new/api", {"name": "nagios"}).context["app_key"]
    assert second.source_system != app_key.source_system
    assert "Another integration is named Nagios" in told(
        administering.post(f"/integrations/{app_key.pk}/restore", follow=True)
    )


def test_who_may_only_see_integrations_finds_no_button_to_change_them(
    client: Client, app_key: Any, viewer: User
) -> None:
    viewer.role = Role.objects.create(name="Observer", permissions={"incidents": "read", "integrations": "read"})
    viewer.save()
    client.force_login(viewer)
    page = told(client.get(f"/integrations/{app_key.pk}"))
    assert "Secrets in use" in page
    for words in ("Rotate", "Deactivate", "Rename", "Delete"):
        assert words not in page
    for path in ("rename", "rotate", "delete", "deactivate", "activate", "rotate/end"):
        assert client.post(f"/integrations/{app_key.pk}/{path}", {"name": "x", "days": "0"}).status_code == 403
    assert client.get("/integrations/new").status_code == 403
