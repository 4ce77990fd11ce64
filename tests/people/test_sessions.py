"""Browser sessions, and the lock-out after too many wrong passwords."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from time_machine import travel

from people.models import AuditEntry, BrowserSession, User
from people.tasks import forget_sessions
from tests.conftest import PASSWORD

WRONG = "wrong"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"


def signed_in(agent: str = FIREFOX, address: str = "192.0.2.7") -> Client:
    client = Client(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    assert client.post("/login", {"username": "vera", "password": PASSWORD}).status_code == 302
    return client


def tried(name: str = "vera", password: str = WRONG, address: str = "192.0.2.7") -> Any:
    return Client(REMOTE_ADDR=address).post("/login", {"username": name, "password": password})


def told(reply: Any) -> str:
    return str(reply.content.decode())


def test_each_browser_is_listed_with_device_address_and_which_is_this_one(viewer: User) -> None:
    here = signed_in()
    signed_in(PHONE, "198.51.100.9")
    page = told(here.get("/me"))
    for words in ("Firefox on Linux", "192.0.2.7", "Safari on iPhone", "198.51.100.9"):
        assert words in page
    assert page.count("This browser") == 1


def test_another_browser_is_signed_out_from_here(viewer: User) -> None:
    here, phone = signed_in(), signed_in(PHONE)
    other = BrowserSession.objects.get(user_agent=PHONE)
    here.post(f"/me/sessions/{other.pk}/end")
    assert phone.get("/me").status_code == 302
    assert here.get("/me").status_code == 200


def test_everywhere_else_at_once(viewer: User) -> None:
    here, *others = signed_in(), signed_in(PHONE), signed_in()
    here.post("/me/sessions/end")
    assert [client.get("/me").status_code for client in (here, *others)] == [200, 302, 302]


def test_nobody_ends_the_sessions_of_others_but_who_looks_after_people(
    viewer: User, responder: User, admin: User
) -> None:
    vera = signed_in()
    theirs = BrowserSession.objects.get()
    for user, path, code in (
        (responder, f"/me/sessions/{theirs.pk}/end", 200),
        (responder, f"/people/{viewer.pk}/sessions/end", 200),
        (admin, f"/people/{viewer.pk}/sessions/end", 302),
    ):
        client = Client()
        client.force_login(user)
        client.post(path)
        assert vera.get("/me").status_code == code


def test_last_seen_is_noted_to_the_minute(viewer: User) -> None:
    client = signed_in()
    with travel(timezone.now() + timedelta(minutes=10), tick=False):
        client.get("/")
        seen = BrowserSession.objects.get().last_seen_at
        assert timezone.now() - seen < timedelta(minutes=1)


def test_signing_out_takes_the_browser_off_the_list(viewer: User) -> None:
    here, phone = signed_in(), signed_in(PHONE)
    phone.post("/logout")
    assert "iPhone" not in told(here.get("/me"))
    assert BrowserSession.objects.count() == 1


def test_sessions_whose_time_is_over_are_forgotten(viewer: User) -> None:
    signed_in()
    with travel(timezone.now() + timedelta(days=1)):
        assert forget_sessions() == 1


def test_too_many_wrong_passwords_lock_the_name_for_that_address_and_say_so(viewer: User) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        assert "do not match" in told(tried())
    for password in (WRONG, PASSWORD):
        reply = tried(password=password)
        assert reply.status_code == 429
        assert "Try again in 15 minutes" in told(reply)
    assert tried(password=PASSWORD, address="198.51.100.9").status_code == 302
    assert AuditEntry.objects.filter(change="locked", entity_name="vera", actor_kind="system").count() == 1


def test_it_comes_free_in_time(viewer: User) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        tried()
    with travel(timezone.now() + timedelta(minutes=16)):
        assert tried(password=PASSWORD).status_code == 302


def test_an_administrator_unlocks_it_at_once(client: Client, admin: User, viewer: User) -> None:
    client.force_login(admin)
    for _ in range(settings.AXES_FAILURE_LIMIT):
        tried()
    assert "Locked out" in told(client.get("/people"))
    client.post(f"/people/{viewer.pk}/unlock")
    assert "Locked out" not in told(client.get("/people"))
    assert tried(password=PASSWORD).status_code == 302
    assert AuditEntry.objects.filter(change="unlocked", entity_name="vera").exists()


def test_who_has_no_account_learns_nothing_from_being_locked_out(db: None) -> None:
    replies = [tried("nobody") for _ in range(settings.AXES_FAILURE_LIMIT)]
    assert [reply.status_code for reply in replies[-2:]] == [200, 429]


def test_senders_are_never_locked_out(db: None, org_token: Any, app_key: Any) -> None:
    sender = Client(REMOTE_ADDR="192.0.2.7", headers={"Authorization": "Bearer wrong"})
    for _ in range(settings.AXES_FAILURE_LIMIT + 2):
        assert sender.post("/data/v2/alerts", {}, content_type="application/json").status_code == 401
        tried()
    body = {"app_key": app_key.secret, "status": "critical", "host": "web-1"}
    right = {"Authorization": f"Bearer {org_token.secret}"}
    assert sender.post("/data/v2/alerts", body, content_type="application/json", headers=right).status_code == 201


@pytest.mark.parametrize("agent", ["", "x" * 1000, "curl/8.5.0"])
def test_any_browser_can_sign_in(viewer: User, agent: str) -> None:
    assert signed_in(agent).get("/me").status_code == 200
