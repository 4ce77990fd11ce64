"""Tests that nobody opens incidents to themselves with an environment, and that what a change opens is told first."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from incidents.models import Environment, Incident
from people.models import AuditEntry, Role, User
from tests.conftest import PASSWORD, PostEvent

FULL = "full_access"


@pytest.fixture
def role(db: None) -> Role:
    return Role.objects.create(name="Leads", permissions={"incidents": FULL, "environments": FULL})


@pytest.fixture
def lead(role: Role) -> User:
    return User.objects.create_user("lena", password=PASSWORD, role=role)


@pytest.fixture
def change(django_capture_on_commit_callbacks: Any) -> Any:
    """Return a function that sends a form as a person, and lets the console place the incidents."""

    def change(person: User, path: str, **fields: Any) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return browser_of(person).post(path, fields)

    return change


@pytest.fixture
def secret(admin: User, viewer: User, change: Any, post_event: PostEvent) -> Environment:
    """Return an environment that only viewers see, with one incident; another incident is everybody's."""
    post_event(host="vault-1", team="security")
    post_event(host="web-1", team="shop")
    reply = change(admin, "/environments/new", name="Secret", query="team = security", seen_by=[viewer.role_id])
    assert reply.status_code == 302, reply.content.decode()
    return Environment.objects.get(name="Secret")


def browser_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def seen_by(person: User) -> set[str]:
    """Return the titles of the incidents that the feed shows a person."""
    return {row.title for row in browser_of(person).get("/").context["page"].rows}


def test_nobody_opens_incidents_to_themselves_with_a_new_environment(
    lead: User, secret: Environment, change: Any, post_event: PostEvent
) -> None:
    (hidden,) = Incident.objects.filter(title="vault-1")
    assert seen_by(lead) == {"web-1"}
    reply = change(lead, "/environments/new", name="All", query="", seen_by=[lead.role_id], acted_by=[lead.role_id])
    assert reply.status_code == 302
    post_event(host="vault-2", team="security")
    assert seen_by(lead) == {"web-1"}
    assert browser_of(lead).get(f"/incidents/{hidden.pk}").status_code == 404


def test_an_environment_made_before_the_restriction_does_not_open_it_either(
    admin: User, lead: User, viewer: User, change: Any, post_event: PostEvent
) -> None:
    change(lead, "/environments/new", name="All", query="", seen_by=[lead.role_id, viewer.role_id])
    post_event(host="vault-1", team="security")
    change(admin, "/environments/new", name="Secret", query="team = security", seen_by=[viewer.role_id])
    assert seen_by(lead) == set()
    assert seen_by(viewer) == {"vault-1"}


def test_nobody_opens_incidents_to_themselves_by_changing_an_environment(
    admin: User, lead: User, secret: Environment, change: Any
) -> None:
    change(admin, "/environments/new", name="Shop", query="team = shop", seen_by=[lead.role_id])
    shop = Environment.objects.get(name="Shop")
    reply = change(lead, f"/environments/{shop.pk}", name="Shop", query="", seen_by=[lead.role_id])
    assert reply.status_code == 302, reply.content.decode()
    assert seen_by(lead) == {"web-1"}
    for path in (f"/environments/{secret.pk}", f"/environments/{secret.pk}/delete"):
        assert change(lead, path, name="Secret", query="", confirm="open").status_code == 404
    change(admin, f"/environments/{secret.pk}/delete", confirm="open")
    assert change(lead, f"/environments/{secret.pk}/restore").status_code == 404


def test_nobody_gets_back_by_a_restore_what_only_an_administrator_opens(
    admin: User, lead: User, secret: Environment, change: Any
) -> None:
    change(admin, "/environments/new", name="All", query="", seen_by=[lead.role_id], confirm="open")
    everything = Environment.objects.get(name="All")
    assert seen_by(lead) == {"vault-1", "web-1"}
    change(admin, f"/environments/{everything.pk}/delete", confirm="open")
    assert seen_by(lead) == {"web-1"}
    change(lead, f"/environments/{everything.pk}/restore")
    assert seen_by(lead) == {"web-1"}


def test_nobody_takes_the_right_to_act_by_changing_an_environment(
    admin: User, lead: User, viewer: User, change: Any, post_event: PostEvent
) -> None:
    post_event(host="core-1", team="core")
    (incident,) = Incident.objects.all()
    change(admin, "/environments/new", name="Core", query="team = core", acted_by=[viewer.role_id])
    core = Environment.objects.get(name="Core")
    change(lead, "/environments/new", name="Mine", query="", acted_by=[lead.role_id])
    for path in (f"/environments/{core.pk}", f"/environments/{core.pk}/delete"):
        refused = change(lead, path, name="Core", query="team = core", acted_by=[lead.role_id])
        assert refused.status_code == 403
        assert "keeps acting on its incidents for other roles" in refused.content.decode()
    assert change(lead, f"/incidents/{incident.pk}/assign").status_code == 404


def test_an_administrator_opens_incidents_of_another_environment_after_a_question(
    admin: User, lead: User, secret: Environment, change: Any
) -> None:
    asked = change(admin, "/environments/new", name="All", query="", seen_by=[lead.role_id]).content.decode()
    assert "opens incidents to roles that cannot see them now" in asked
    assert "<strong>Leads</strong>: 1 incident," in asked
    assert seen_by(lead) == {"web-1"}
    change(admin, "/environments/new", name="All", query="", seen_by=[lead.role_id], confirm="open")
    assert seen_by(lead) == {"vault-1", "web-1"}


def test_a_delete_says_what_it_opens_to_whom_and_asks(
    admin: User, lead: User, responder: User, secret: Environment, change: Any
) -> None:
    asked = change(admin, f"/environments/{secret.pk}/delete").content.decode()
    assert "Delete Secret?" in asked
    for name in ("Leads", "Responder"):
        assert f"<strong>{name}</strong>: 1 incident, and those to come" in asked
    assert "<strong>Viewer</strong>" not in asked
    assert (seen_by(lead), seen_by(responder)) == ({"web-1"}, {"web-1"})
    change(admin, f"/environments/{secret.pk}/delete", confirm="open")
    assert seen_by(responder) == {"vault-1", "web-1"}
    told = AuditEntry.objects.get(entity_kind="environment", change="deleted")
    opened = {each["propertyPath"]: each["newValue"] for each in told.changes if "opened" in each["propertyPath"]}
    assert opened == {"incidents_opened.Leads": 1, "incidents_opened.Responder": 1}


@pytest.mark.parametrize(
    "fields", [{"query": "team = security", "seen_by": []}, {"query": "team = nobody"}], ids=["roles", "query"]
)
def test_a_change_that_ends_a_restriction_says_what_it_opens_and_asks(
    admin: User, viewer: User, responder: User, secret: Environment, change: Any, fields: dict[str, Any]
) -> None:
    sent = {"name": "Secret", "seen_by": [viewer.role_id], **fields}
    asked = change(admin, f"/environments/{secret.pk}", **sent).content.decode()
    assert "<strong>Responder</strong>: 1 incident, and those to come" in asked
    assert 'name="confirm" value="open"' in asked
    assert seen_by(responder) == {"web-1"}
    assert change(admin, f"/environments/{secret.pk}", **sent, confirm="open").status_code == 302
    assert seen_by(responder) == {"vault-1", "web-1"}
    told = AuditEntry.objects.filter(entity_kind="environment", change="changed").latest("pk")
    assert "incidents_opened.Responder" in {each["propertyPath"] for each in told.changes}


def test_a_change_that_opens_nothing_is_not_asked_about(
    admin: User, viewer: User, secret: Environment, change: Any
) -> None:
    sent = {"name": "Vault", "query": "team = security", "seen_by": [viewer.role_id]}
    assert change(admin, f"/environments/{secret.pk}", **sent).status_code == 302
    change(admin, "/environments/new", name="Plain", query="team = shop")
    plain = Environment.objects.get(name="Plain")
    assert "Plain is deleted" in change(admin, f"/environments/{plain.pk}/delete").content.decode()
