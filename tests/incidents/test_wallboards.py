"""Tests of wallboards: with the link a screen reads one environment, without a session, until the link is revoked."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from incidents.models import Environment, Wallboard
from people.models import AuditEntry, User
from tests.conftest import PostEvent


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
