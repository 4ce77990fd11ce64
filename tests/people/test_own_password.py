"""Passwords that somebody else knows are changed first, links work once, sessions end in time, and weak passwords are refused."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from time_machine import travel

from bigpanda_site.live_stream import person_of
from people.models import ApiKey, AuditEntry, BrowserSession, Invitation, Role, User
from tests.conftest import PASSWORD

NEW = "another battery, horse"


def told(reply: Any) -> str:
    return str(reply.content.decode())


def signed_in(name: str, password: str = PASSWORD) -> Client:
    client = Client()
    assert client.post("/login", {"username": name, "password": password}).status_code == 302
    return client


def made_by_command(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    call_command("create_user", "nina", "--role", "responder", *options)
    return capsys.readouterr().out.strip()


def test_nothing_works_until_a_password_that_a_command_made_is_changed(
    db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    first = made_by_command(capsys)
    nina = signed_in("nina", first)
    _, secret = ApiKey.issue(User.objects.get(username="nina"), name="Mine", expires_at=None)
    script = Client(headers={"Authorization": f"Bearer {secret}"})
    for path in ("/", "/me", "/incidents/1", "/integrations/", "/audit.csv"):
        assert nina.get(path).headers["Location"] == "/me/password"
    assert nina.post("/me/keys", {"name": "Another"}).headers["Location"] == "/me/password"
    assert nina.get("/", headers={"HX-Request": "true"}).headers["HX-Redirect"] == "/me/password"
    assert "choose a new password" in told(script.get("/resources/v2.0/environments/all/incidents"))
    assert "Choose a password of your own" in told(nina.get("/me/password"))

    same = {"old_password": first, "new_password1": first, "new_password2": first}
    assert "another password than the old one" in told(nina.post("/me/password", same))
    changed = nina.post("/me/password", {"old_password": first, "new_password1": NEW, "new_password2": NEW})
    assert changed.headers["Location"] == "/"
    assert nina.get("/").status_code == 200
    assert script.get("/resources/v2.0/environments/all/incidents").status_code == 200
    assert ApiKey.objects.count() == 1


def test_a_password_for_a_script_can_be_kept(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert signed_in("nina", made_by_command(capsys, "--keep-password")).get("/").status_code == 200


def test_a_password_that_an_administrator_sets_in_a_shell_is_changed_first(viewer: User) -> None:
    viewer.set_password(NEW)
    viewer.save()
    assert signed_in("vera", NEW).get("/").headers["Location"] == "/me/password"


@pytest.mark.django_db(transaction=True)
def test_a_link_that_is_sent_three_times_at_once_works_once() -> None:
    person = User.objects.create_user("nina", role=Role.objects.get(built_in="viewer"))
    link = f"/welcome/{Invitation.issue(person)}"
    together, replies = threading.Barrier(3), []

    def use(number: int) -> None:
        client = Client()
        together.wait()
        password = f"{NEW} {number}"
        replies.append(client.post(link, {"new_password1": password, "new_password2": password}).status_code)
        connection.close()

    threads = [threading.Thread(target=use, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(replies) == [200, 200, 302]
    assert BrowserSession.objects.count() == 1
    assert AuditEntry.objects.filter(change="link_used").count() == 1


def test_who_reads_the_database_cannot_use_its_sessions(viewer: User) -> None:
    key = signed_in("vera").session.session_key
    stored = Session.objects.get().session_key
    assert stored != key
    assert BrowserSession.objects.get().session_key == stored
    thief = Client()
    thief.cookies[next(iter(signed_in("vera").cookies))] = stored
    assert thief.get("/me").status_code == 302


def test_a_session_ends_when_it_is_not_used(viewer: User, settings: Any) -> None:
    settings.SESSION_IDLE_TIME = timedelta(hours=2)
    start = timezone.now()
    with travel(start, tick=False) as clock:
        vera = signed_in("vera")
        for _ in range(3):
            clock.shift(timedelta(hours=1, minutes=50))
            assert vera.get("/me").status_code == 200
        clock.shift(timedelta(hours=2, minutes=1))
        assert vera.get("/me").status_code == 302
        assert not BrowserSession.objects.live()


def test_a_session_ends_some_days_after_the_sign_in_however_much_it_is_used(viewer: User, settings: Any) -> None:
    settings.SESSION_COOKIE_AGE = 24 * 3600
    with travel(timezone.now(), tick=False) as clock:
        vera = signed_in("vera")
        for _ in range(3):
            clock.shift(timedelta(hours=7))
            assert vera.get("/me").status_code == 200
        clock.shift(timedelta(hours=3, minutes=1))
        assert vera.get("/me").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_page_with_live_updates_keeps_its_session_in_use(settings: Any) -> None:
    settings.SESSION_IDLE_TIME = timedelta(hours=2)
    User.objects.create_user("vera", password=PASSWORD, role=Role.objects.get(built_in="viewer"))
    with travel(timezone.now(), tick=False) as clock:
        vera = signed_in("vera")
        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in vera.cookies.items())
        scope = {"headers": [(b"cookie", cookies.encode())]}
        for _ in range(3):
            clock.shift(timedelta(hours=1, minutes=50))
            assert person_of(scope)
        assert vera.get("/me").status_code == 200
        clock.shift(timedelta(hours=2, minutes=1))
        assert person_of(scope) is None
