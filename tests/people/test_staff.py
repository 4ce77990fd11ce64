"""People: invited by a link that works once, given roles, deactivated; and changes that are not allowed."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from people.models import ApiKey, AuditEntry, BuiltIn, Invitation, Role, User
from tests.conftest import PASSWORD

NEW = "another battery, horse"


@pytest.fixture
def administering(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def role(which: BuiltIn) -> int:
    return Role.objects.built_in(which).pk


def invited(client: Client, name: str = "nina", which: BuiltIn = BuiltIn.RESPONDER) -> Any:
    return client.post(
        "/people/invite", {"username": name, "first_name": "Nina", "email": "nina@example.com", "role": role(which)}
    )


def link_of(reply: Any) -> str:
    found = re.search(r"http://testserver(/welcome/[0-9a-f]+)", reply.content.decode())
    assert found
    return found[1]


def told(reply: Any) -> str:
    return str(reply.content.decode())


def test_an_invited_person_sets_a_password_by_the_link_and_is_signed_in(administering: Client) -> None:
    reply = invited(administering)
    link = link_of(reply)
    assert "no-store" in reply.headers["Cache-Control"]
    assert link.rpartition("/")[2] not in str(list(Invitation.objects.values()) + list(AuditEntry.objects.values()))
    assert "Invited" in told(administering.get("/people"))

    nina = Client()
    assert "Welcome, Nina" in told(nina.get(link))
    assert "too short" in told(nina.post(link, {"new_password1": "short", "new_password2": "short"}))
    assert nina.post(link, {"new_password1": NEW, "new_password2": NEW}).headers["Location"] == "/"
    assert "Nina" in told(nina.get("/me"))
    assert Client().post("/login", {"username": "nina", "password": NEW}).status_code == 302

    assert "works no longer" in told(nina.get(link))
    assert "Invited" not in told(administering.get("/people"))


def test_a_link_expires_and_a_new_one_takes_its_place(administering: Client) -> None:
    first = link_of(invited(administering))
    nina = User.objects.get(username="nina")
    second = link_of(administering.post(f"/people/{nina.pk}/link"))
    assert "works no longer" in told(Client().get(first))
    assert "Welcome" in told(Client().get(second))
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "works no longer" in told(Client().get(second))


def test_a_link_of_somebody_deactivated_works_no_longer(administering: Client) -> None:
    link = link_of(invited(administering))
    administering.post(f"/people/{User.objects.get(username='nina').pk}/deactivate")
    assert "works no longer" in told(Client().get(link))


def test_a_forgotten_password_is_replaced_by_a_link_and_old_sessions_end(
    administering: Client, responder: User
) -> None:
    rosa = Client()
    rosa.post("/login", {"username": "rosa", "password": PASSWORD})
    link = link_of(administering.post(f"/people/{responder.pk}/link"))
    assert rosa.get("/me").status_code == 200
    Client().post(link, {"new_password1": NEW, "new_password2": NEW})
    assert rosa.get("/me").status_code == 302


@pytest.mark.parametrize("name", ["", "ROSA", "no spaces please", "x" * 151])
def test_a_name_that_cannot_be_had_is_told_at_the_field(administering: Client, responder: User, name: str) -> None:
    assert 'id="id_username-error"' in told(invited(administering, name))
    assert User.objects.count() == 2


def test_name_and_role_are_changed_and_written_down(administering: Client, viewer: User) -> None:
    fields = {
        "username": "vera",
        "first_name": "Vera",
        "last_name": "Rubin",
        "email": "",
        "role": role(BuiltIn.RESPONDER),
    }
    administering.post(f"/people/{viewer.pk}/change", fields)
    viewer.refresh_from_db()
    assert viewer.may_act
    changes = {each["propertyPath"]: (each["oldValue"], each["newValue"]) for each in AuditEntry.objects.get().changes}
    assert changes == {"first_name": ("", "Vera"), "last_name": ("", "Rubin"), "role": ("Viewer", "Responder")}


def test_who_is_deactivated_is_out_at_once_with_their_keys_and_can_come_back(
    administering: Client, responder: User
) -> None:
    rosa = Client()
    rosa.post("/login", {"username": "rosa", "password": PASSWORD})
    _, secret = ApiKey.issue(responder, name="Mine", expires_at=None)
    administering.post(f"/people/{responder.pk}/deactivate")
    assert rosa.get("/me").status_code == 302
    assert Client(headers={"Authorization": f"Bearer {secret}"}).get("/audit-logs").status_code == 401
    assert "do not match" in told(Client().post("/login", {"username": "rosa", "password": PASSWORD}))
    administering.post(f"/people/{responder.pk}/activate")
    assert Client().post("/login", {"username": "rosa", "password": PASSWORD}).status_code == 302


def test_the_last_active_administrator_can_be_neither_deactivated_nor_demoted(
    administering: Client, admin: User
) -> None:
    assert "last active administrator" in told(administering.post(f"/people/{admin.pk}/deactivate", follow=True))
    demoted = {"username": "ada", "role": role(BuiltIn.VIEWER)}
    assert "last active administrator" in told(administering.post(f"/people/{admin.pk}/change", demoted))
    admin.refresh_from_db()
    assert admin.is_active
    assert admin.is_administrator


def test_an_invited_administrator_without_a_password_does_not_count_as_one(administering: Client, admin: User) -> None:
    link = link_of(invited(administering, which=BuiltIn.ADMIN))
    assert "last active administrator" in told(administering.post(f"/people/{admin.pk}/deactivate", follow=True))
    Client().post(link, {"new_password1": NEW, "new_password2": NEW})
    administering.post(f"/people/{admin.pk}/deactivate")
    admin.refresh_from_db()
    assert not admin.is_active


def test_who_looks_after_people_cannot_make_or_touch_an_administrator(
    client: Client, admin: User, viewer: User
) -> None:
    viewer.role = Role.objects.create(name="Reception", permissions={"incidents": "read", "people": "full_access"})
    viewer.save()
    client.force_login(viewer)
    assert "opens more than your own role" in told(invited(client, which=BuiltIn.ADMIN))
    assert not User.objects.filter(username="nina").exists()
    for path in ("deactivate", "link"):
        assert "opens more than your own role" in told(client.post(f"/people/{admin.pk}/{path}", follow=True))
    promoted = {"username": "vera", "role": role(BuiltIn.ADMIN)}
    assert "opens more than your own role" in told(client.post(f"/people/{viewer.pk}/change", promoted))


def test_the_last_sign_in_is_shown(administering: Client, responder: User) -> None:
    assert told(administering.get(f"/people/{responder.pk}")).count("never signed in") == 1
    Client().post("/login", {"username": "rosa", "password": PASSWORD})
    assert "never signed in" not in told(administering.get(f"/people/{responder.pk}"))


@pytest.mark.parametrize("path", ["", "/invite", "/1", "/roles", "/roles/new", "/roles/1"])
@pytest.mark.parametrize("who", ["responder", "viewer"])
def test_people_are_not_for_everybody(client: Client, request: pytest.FixtureRequest, who: str, path: str) -> None:
    client.force_login(request.getfixturevalue(who))
    reply = client.get(f"/people{path}")
    assert reply.status_code == 403
    assert "Ask an administrator" in told(reply)
    assert ">People</span>" not in told(client.get("/"))
