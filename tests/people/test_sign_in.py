"""Signing in and out, and the error pages."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory

from bigpanda_site import failures
from people.models import User
from tests.conftest import PASSWORD

PAGES = [
    "/",
    "/?folder=resolved",
    "/incidents/1",
    "/incidents/1/activity",
    "/alerts/1",
    "/integrations/",
    "/integrations/tokens",
]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_asks_for_sign_in(client: Client, db: None, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code == 302
    assert reply.headers["Location"].startswith("/login?next=")


def test_signing_in_leads_to_the_page_asked_for(client: Client, viewer: User) -> None:
    reply = client.post("/login", {"username": viewer.username, "password": PASSWORD, "next": "/?folder=resolved"})
    assert reply.headers["Location"] == "/?folder=resolved"


def test_signing_in_leads_nowhere_else(client: Client, viewer: User) -> None:
    reply = client.post(
        "/login", {"username": viewer.username, "password": PASSWORD, "next": "https://elsewhere.example.com/"}
    )
    assert reply.headers["Location"] == "/"


def test_a_wrong_password_is_told_and_the_way_kept(client: Client, viewer: User) -> None:
    reply = client.post("/login", {"username": viewer.username, "password": "wrong", "next": "/?folder=resolved"})
    shown = reply.content.decode()
    assert "do not match" in shown
    assert 'name="next" value="/?folder=resolved"' in shown
    assert f'value="{viewer.username}"' in shown


def test_a_refresh_after_the_session_ended_leads_the_page_to_sign_in(client: Client, db: None) -> None:
    headers = {
        "HX-Request": "true",
        "HX-Target": "feed",
        "HX-Current-URL": "http://testserver/incidents/7?folder=resolved",
    }
    reply = client.get("/", headers=headers, follow=True)
    assert reply.headers["HX-Redirect"] == "/login?next=%2Fincidents%2F7%3Ffolder%3Dresolved"
    assert not reply.content


def test_signing_out_ends_the_session(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    client.post("/logout")
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    ("chosen", "shown"), [("dark", "dark"), ("light", "light"), ("system", "system"), ('"><script>', "system")]
)
def test_a_theme_is_remembered_in_the_browser(client: Client, db: None, chosen: str, shown: str) -> None:
    client.post("/theme", {"theme": chosen, "next": "/login"})
    assert f'data-theme="{shown}"' in client.get("/login").content.decode()


def test_what_is_not_there_says_what_to_do_next(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    reply = client.get("/nothing")
    assert reply.status_code == 404
    assert "Go to the incidents" in reply.content.decode()


def test_a_broken_page_stands_on_its_own(rf: RequestFactory) -> None:
    reply = failures.answer(rf.get("/"))
    assert reply.status_code == 500
    assert "Something broke here" in reply.content.decode()


def test_a_form_from_elsewhere_is_refused_with_a_page(viewer: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(viewer)
    reply = strict.post("/theme", {"theme": "dark"})
    assert reply.status_code == 403
    assert "too old to send" in reply.content.decode()
