"""Roles: the built-in ones stay, copies can be customised, and pages, buttons and keys follow them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from people.models import ApiKey, Area, AuditEntry, BuiltIn, Level, Role, User

NOTHING = {str(area): "none" for area in Area} | {"incidents": "read"}


@pytest.fixture
def administering(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def told(reply: Any) -> str:
    return str(reply.content.decode())


def made(client: Client, name: str = "Auditor", **levels: str) -> Any:
    return client.post("/people/roles/new", {"name": name, **NOTHING, **levels})


def given(user: User, name: str) -> Client:
    """Return a browser of a person with the role."""
    user.role = Role.objects.get(name=name)
    user.save()
    client = Client()
    client.force_login(user)
    return client


def test_a_copy_begins_as_what_it_is_copied_from(administering: Client) -> None:
    responder = Role.objects.built_in(BuiltIn.RESPONDER)
    form = administering.get(f"/people/roles/new?copy={responder.pk}").context["form"]
    assert form["name"].value() == "Responder (copy)"
    assert form[Area.INCIDENTS].value() == Level.FULL
    assert form[Area.PEOPLE].value() == Level.NONE


def test_an_auditor_reads_the_audit_log_and_nothing_else_of_administration(administering: Client, viewer: User) -> None:
    made(administering, audit="full_access")
    auditor = given(viewer, "Auditor")
    assert auditor.get("/audit").status_code == 200
    assert auditor.get("/people").status_code == 403
    assert 'href="/audit"' in told(auditor.get("/"))
    _, secret = ApiKey.issue(viewer, name="Mine", expires_at=None)
    assert Client(headers={"Authorization": f"Bearer {secret}"}).get("/audit-logs").status_code == 200


def test_who_may_see_people_and_not_change_them_finds_no_button_to(
    administering: Client, viewer: User, responder: User
) -> None:
    made(administering, "Observer", people="read")
    observer = given(viewer, "Observer")
    assert "Invite" not in told(observer.get("/people"))
    page = told(observer.get(f"/people/{responder.pk}"))
    assert "Deactivate" not in page
    assert observer.post(f"/people/{responder.pk}/deactivate").status_code == 403
    assert observer.post(f"/people/{responder.pk}/change", {}).status_code == 403


def test_an_edited_role_counts_at_once_for_everybody_who_has_it(administering: Client, viewer: User) -> None:
    made(administering, audit="full_access")
    auditor = given(viewer, "Auditor")
    role = Role.objects.get(name="Auditor")
    administering.post(f"/people/roles/{role.pk}", {"name": "Auditor", **NOTHING, "patterns": "read"})
    assert auditor.get("/audit").status_code == 403
    changes = {
        each["propertyPath"]: (each["oldValue"], each["newValue"])
        for each in AuditEntry.objects.order_by("-pk")[0].changes
    }
    assert changes == {"permissions.audit": ("full_access", "none"), "permissions.patterns": ("none", "read")}


def test_nobody_makes_a_role_that_opens_more_than_their_own(administering: Client, viewer: User) -> None:
    made(administering, "Reception", people="full_access")
    reception = given(viewer, "Reception")
    assert "opens more than your own role" in told(made(reception, "Mighty", patterns="full_access"))
    assert not Role.objects.filter(name="Mighty").exists()


def test_a_custom_role_of_the_only_administrator_keeps_everything_open(administering: Client, admin: User) -> None:
    made(administering, "Chief", **{str(area): "full_access" for area in Area})
    chief = given(admin, "Chief")
    role = Role.objects.get(name="Chief")
    refused = chief.post(f"/people/roles/{role.pk}", {"name": "Chief", **NOTHING, "people": "full_access"})
    assert "last active administrator" in told(refused)
    role.refresh_from_db()
    assert role.opens_everything


def test_a_role_is_deleted_when_nobody_has_it(administering: Client, viewer: User) -> None:
    made(administering)
    role = Role.objects.get(name="Auditor")
    given(viewer, "Auditor")
    assert "is the role of 1 person" in told(administering.post(f"/people/roles/{role.pk}/delete", follow=True))
    given(viewer, "Viewer")
    administering.post(f"/people/roles/{role.pk}/delete")
    assert not Role.objects.filter(name="Auditor").exists()
    assert AuditEntry.objects.filter(change="deleted", entity_name="Auditor").exists()


def test_the_built_in_roles_stay(administering: Client) -> None:
    for which in BuiltIn:
        role = Role.objects.built_in(which)
        assert administering.get(f"/people/roles/{role.pk}").status_code == 404
        assert "is built in and stays" in told(administering.post(f"/people/roles/{role.pk}/delete", follow=True))


@pytest.mark.parametrize("name", ["", "viewer", "x" * 61])
def test_a_name_that_cannot_be_had_is_told_at_the_field(administering: Client, name: str) -> None:
    assert 'id="id_name-error"' in told(made(administering, name))
    assert Role.objects.count() == 3


def test_a_level_that_is_none_is_refused(administering: Client) -> None:
    assert "is not one of the available choices" in told(made(administering, patterns="everything"))
