"""Tests of wallboards: with the link a screen reads one environment, without a session, until the link is revoked."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from incidents.environments import placement
from incidents.models import Environment, Wallboard
from people.models import AuditEntry, Role, User
from tests.conftest import PASSWORD, PostEvent


@pytest.fixture
def ada(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def link_of(client: Client, **fields: str) -> str:
    shown = client.post("/wallboards", {"name": "Left screen", **fields}).content.decode()
    found = re.search(r'id="wall-link">http://testserver(/wall/\w+)<', shown)
    assert found, shown
    return found[1]


def test_a_screen_with_the_link_sees_its_environment_alone(ada: Client, post_event: PostEvent) -> None:
    payments = Environment.objects.create(name="Payments", query="team = payments")
    post_event(host="pay-1", team="payments")
    post_event(host="web-1", team="shop")
    link = link_of(ada, environment=str(payments.pk))
    screen = Client()
    shown = screen.get(link).content.decode()
    assert "pay-1" in shown
    assert "web-1" not in shown
    assert screen.get("/").status_code == 302
    assert not screen.cookies
    assert "pay-1" in screen.get(f"{link}?part").content.decode()
    assert "<html" not in screen.get(f"{link}?part").content.decode()


def test_the_link_is_shown_once_and_can_be_revoked_and_restored(ada: Client) -> None:
    link = link_of(ada)
    secret = link.rsplit("/", 1)[1]
    board = Wallboard.objects.get()
    assert secret not in str(Wallboard.objects.values().get())
    assert secret not in str(list(AuditEntry.objects.values()))
    assert secret not in ada.get("/wallboards").content.decode()
    assert "…" + secret[-4:] in ada.get("/wallboards").content.decode()
    ada.post(f"/wallboards/{board.pk}/revoke")
    assert Client().get(link).status_code == 404
    ada.post(f"/wallboards/{board.pk}/revoke")
    assert Client().get(link).status_code == 200


def test_a_guessed_link_opens_nothing(db: None) -> None:
    assert Client().get("/wall/" + "0" * 32).status_code == 404


def test_a_deleted_environment_is_not_shown(ada: Client) -> None:
    payments = Environment.objects.create(name="Payments", query="team = payments")
    link = link_of(ada, environment=str(payments.pk))
    ada.post(f"/environments/{payments.pk}/delete")
    assert Client().get(link).status_code == 404


def test_only_who_changes_environments_hands_out_links(client: Client, responder: User) -> None:
    client.force_login(responder)
    assert client.post("/wallboards", {"name": "x"}).status_code == 403


def test_names_that_are_too_long_keep_their_end_on_the_wall(ada: Client, post_event: PostEvent) -> None:
    post_event(host="payments-settlement-gateway-blue-canary-deployment-7d9f8b6c54-xk2lp")
    assert "54-xk2lp</span>" in Client().get(link_of(ada)).content.decode()


def test_nasty_values_are_text_on_the_wall(ada: Client, post_event: PostEvent) -> None:
    post_event(host="<script>alert(1)</script>", check='"onmouseover="alert(1)')
    shown = Client().get(link_of(ada)).content.decode()
    assert "<script>alert" not in shown
    assert '"onmouseover="' not in shown
    assert " style=" not in shown


def test_a_wallboard_without_a_name_is_refused_at_its_field(ada: Client) -> None:
    assert "Give the wallboard a name" in ada.post("/wallboards", {}).content.decode()


@pytest.fixture
def lead(db: None) -> User:
    """Return a person who may change environments but is no administrator."""
    leads = Role.objects.create(name="Leads", permissions={"environments": "full_access", "incidents": "read"})
    return User.objects.create_user("lena", password=PASSWORD, role=leads)


@pytest.fixture
def lena(lead: User) -> Client:
    browser = Client()
    browser.force_login(lead)
    return browser


def keep_secret(viewer: User) -> Environment:
    """Create an environment that only viewers see, and place the incidents."""
    secret = Environment.objects.create(name="Secret", query="team = security", seen_by=[viewer.role_id])
    placement.mark_unplaced(secret)
    placement.place_unplaced()
    return secret


def shown(link: str) -> str:
    reply = Client().get(link)
    assert reply.status_code == 200
    return reply.content.decode()


def test_a_screen_sees_what_the_maker_of_its_link_may_see_now(
    ada: Client, lena: Client, viewer: User, post_event: PostEvent
) -> None:
    post_event(host="vault-1", team="security")
    post_event(host="web-1", team="shop")
    link_of_ada, link_of_lena = link_of(ada), link_of(lena)
    assert "vault-1" in shown(link_of_lena)
    keep_secret(viewer)
    for address in (link_of_lena, f"{link_of_lena}?part"):
        assert "vault-1" not in shown(address)
        assert "web-1" in shown(address)
        assert re.search(r"<strong>1</strong>[^<]*<span[^>]*>[^<]*Unhandled", shown(address).replace("\n", " "))
    assert "vault-1" in shown(link_of_ada)


def test_a_screen_ends_when_its_environment_is_closed_to_the_maker(
    lena: Client, viewer: User, post_event: PostEvent
) -> None:
    post_event(host="vault-1", team="security")
    security = Environment.objects.create(name="Security", query="team = security")
    link = link_of(lena, environment=str(security.pk))
    assert Client().get(link).status_code == 200
    Environment.objects.update(seen_by=[viewer.role_id])
    assert Client().get(link).status_code == 404
    assert "Left screen" not in lena.get("/wallboards").content.decode()
    assert lena.post(f"/wallboards/{Wallboard.objects.get().pk}/revoke").status_code == 404


@pytest.mark.parametrize("change", ["is deactivated", "gets another role"])
def test_a_link_ends_when_its_maker_leaves_or_may_no_longer_make_one(
    ada: Client, lena: Client, lead: User, viewer: User, post_event: PostEvent, change: str
) -> None:
    post_event(host="web-1")
    link = link_of(lena)
    assert "web-1" in shown(link)
    if change == "is deactivated":
        lead.is_active = False
    else:
        lead.role = viewer.role
    lead.save()
    assert Client().get(link).status_code == 404
    assert "lena may no longer show it" in ada.get("/wallboards").content.decode()
    ada.post(f"/wallboards/{Wallboard.objects.get().pk}/renew")
    assert Client().get(link).status_code == 404


def test_a_link_expires_and_is_renewed(ada: Client, post_event: PostEvent) -> None:
    post_event(host="web-1")
    link = link_of(ada)
    board = Wallboard.objects.get()
    assert board.expires_at
    assert timedelta(days=89) < board.expires_at - timezone.now() <= timedelta(days=90)
    assert "expires at" not in shown(link)
    Wallboard.objects.update(expires_at=timezone.now() + timedelta(days=6))
    assert "Renew it on the page Wallboards" in shown(link)
    Wallboard.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert Client().get(link).status_code == 404
    assert "Expired" in ada.get("/wallboards").content.decode()
    ada.post(f"/wallboards/{board.pk}/renew")
    assert "web-1" in shown(link)
    (change,) = AuditEntry.objects.get(entity_kind="wallboard", change="changed").changes
    assert change["propertyPath"] == "expires_at"


def test_nobody_opens_again_a_link_that_shows_more_than_they_may_see(
    ada: Client, lena: Client, viewer: User, post_event: PostEvent
) -> None:
    post_event(host="vault-1", team="security")
    keep_secret(viewer)
    link = link_of(ada)
    board = Wallboard.objects.get()
    assert "Renew" not in lena.get("/wallboards").content.decode()
    assert lena.post(f"/wallboards/{board.pk}/renew").status_code == 403
    lena.post(f"/wallboards/{board.pk}/revoke")
    assert Client().get(link).status_code == 404
    assert lena.post(f"/wallboards/{board.pk}/revoke").status_code == 403
    assert Client().get(link).status_code == 404
