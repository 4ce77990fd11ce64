"""Sign-ins in the audit log, and the limits of failed ones."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as console_settings
from django.test import Client
from django.utils import timezone
from time_machine import travel

from people.models import AuditEntry, BrowserSession, Role, User
from tests.conftest import PASSWORD

WRONG = "wrong"
HERE, THERE = "192.0.2.7", "198.51.100.9"


def tried(name: str, password: str = WRONG, address: str = HERE) -> Any:
    return Client(REMOTE_ADDR=address).post("/login", {"username": name, "password": password})


def signed_in(name: str, address: str = HERE) -> Client:
    client = Client(REMOTE_ADDR=address)
    assert client.post("/login", {"username": name, "password": PASSWORD}).status_code == 302
    return client


def told(reply: Any) -> str:
    return str(reply.content.decode())


def trail(*changes: str) -> list[tuple[str, str, str, str]]:
    """Return who did what to whom, and from where, oldest first."""
    found = AuditEntry.objects.order_by("pk").values_list("actor_name", "change", "entity_name", "address")
    return [entry for entry in found if not changes or entry[1] in changes]


def attempts() -> dict[str, int]:
    entries = AuditEntry.objects.filter(change="sign_in_failed")
    return {each.entity_name: each.changes[0]["newValue"] for each in entries}


def test_a_sign_in_and_a_sign_out_are_in_the_audit_log_with_name_and_address(viewer: User, admin: User) -> None:
    signed_in("vera").post("/logout")
    assert trail() == [("vera", "signed_in", "vera", HERE), ("vera", "signed_out", "vera", HERE)]
    page = told(signed_in("ada", THERE).get("/audit"))
    assert "Signed out" in page
    assert f"from {HERE}" in page


def test_failed_sign_ins_are_counted_by_name_address_and_minute(viewer: User, caplog: pytest.LogCaptureFixture) -> None:
    with travel(timezone.now().replace(second=1), tick=False), caplog.at_level(logging.WARNING):
        for name in ("vera", "vera", "nobody\there", "<script>", "vera"):
            tried(name)
        tried("vera", address=THERE)
    assert trail() == [
        ("The console", "sign_in_failed", "vera", HERE),
        ("The console", "sign_in_failed", "nobody\there", HERE),
        ("The console", "sign_in_failed", "<script>", HERE),
        ("The console", "sign_in_failed", "vera", THERE),
    ]
    assert AuditEntry.objects.order_by("pk")[0].changes[0]["newValue"] == 3
    assert f"Sign-in failed for 'nobody\\there' from {HERE}" in caplog.text
    assert "****" not in caplog.text


def test_guessing_on_does_not_flood_the_audit_log(viewer: User) -> None:
    with travel(timezone.now().replace(second=1), tick=False):
        for _ in range(20):
            tried("vera")
    assert len(trail()) == 2
    assert trail("locked") == [("The console", "locked", "vera", HERE)]
    assert attempts() == {"vera": 20}


def test_ended_sessions_name_who_ended_them(viewer: User, admin: User) -> None:
    vera, ada = signed_in("vera"), signed_in("ada", THERE)
    ada.post(f"/people/{viewer.pk}/sessions/end")
    assert vera.get("/me").status_code == 302
    assert trail("sessions_ended") == [("ada", "sessions_ended", "vera", THERE)]
    assert HERE in str(AuditEntry.objects.get(change="sessions_ended").changes)


def test_a_link_is_in_the_audit_log_when_it_is_made_and_when_it_is_used(viewer: User, admin: User) -> None:
    reply = signed_in("ada").post(f"/people/{viewer.pk}/link")
    Client(REMOTE_ADDR=THERE).post(
        reply.context["link"], {"new_password1": "another battery, horse", "new_password2": "another battery, horse"}
    )
    assert trail("invited", "link_used", "signed_in")[1:] == [
        ("ada", "invited", "vera", HERE),
        ("vera", "link_used", "vera", THERE),
        ("vera", "signed_in", "vera", THERE),
    ]


def test_too_many_failures_from_one_address_lock_that_address_and_no_other(viewer: User, settings: Any) -> None:
    settings.FAILURES_PER_ADDRESS = 6
    start = timezone.now().replace(second=1)
    with travel(start, tick=False):
        for number in range(6):
            assert tried(f"somebody{number}").status_code == 200
        for _ in range(3):
            reply = tried("vera", PASSWORD)
        assert reply.status_code == 429
        assert "Too many sign-ins from your address failed" in told(reply)
        assert "Try again in 15 minutes" in told(reply)
        ends = (start + timedelta(minutes=15)).isoformat(timespec="seconds")
        assert f'datetime="{ends}"' in told(reply)
        assert tried("vera", PASSWORD, THERE).status_code == 302
        assert trail("sign_in_refused") == [("The console", "sign_in_refused", "", HERE)]
        assert len(attempts()) == 6
    with travel(start + timedelta(minutes=16), tick=False):
        assert tried("vera", PASSWORD).status_code == 302


def test_all_addresses_of_one_ipv6_network_count_as_one(viewer: User, settings: Any) -> None:
    settings.FAILURES_PER_ADDRESS = 3
    for number in range(3):
        tried(f"somebody{number}", address=f"2001:db8:1:2::{number}")
    assert tried("vera", PASSWORD, "2001:db8:1:2:ffff::1").status_code == 429
    assert tried("vera", PASSWORD, "2001:db8:1:3::1").status_code == 302
    assert trail("sign_in_failed")[0][3] == "2001:db8:1:2::"


def test_a_flood_from_everywhere_is_slowed_down_and_spares_people_where_they_were_signed_in(
    viewer: User, settings: Any
) -> None:
    settings.FAILURES_IN_ALL = 8
    signed_in("vera", THERE)
    for number in range(8):
        tried(f"somebody{number}", address=f"203.0.113.{number}")
    for number in range(3):
        refused = tried("vera", PASSWORD, f"203.0.113.{100 + number}")
    assert refused.status_code == 429
    assert "a browser at a new address has to wait" in told(refused)
    assert len(trail("sign_in_refused")) <= 2  # one a minute
    signed_in("vera", THERE)


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [("*", "10.9.9.9, 203.0.113.5", "203.0.113.5"), ("127.0.0.1", "203.0.113.5", HERE)],
)
def test_an_invented_address_in_front_of_the_true_one_changes_nothing(
    viewer: User, settings: Any, trusted: str, forwarded: str, address: str
) -> None:
    settings.TRUSTS_EVERY_PROXY = trusted == "*"
    client = Client(REMOTE_ADDR=HERE, headers={"X-Forwarded-For": forwarded})
    client.post("/login", {"username": "vera", "password": PASSWORD})
    assert BrowserSession.objects.get().address == address


@pytest.mark.parametrize("address", ["", "unknown", "fe80::1%eth0", "::ffff:192.0.2.7", "x" * 400])
def test_any_address_can_sign_in_and_fail(viewer: User, address: str) -> None:
    assert tried("vera", address=address).status_code == 200
    assert tried("vera", PASSWORD, address).status_code == 302


def test_nobody_changes_an_account_that_may_do_more_than_they_may(viewer: User, admin: User) -> None:
    viewer.role = Role.objects.create(name="Reception", permissions={"incidents": "read", "people": "full_access"})
    viewer.save()
    ada, reception = signed_in("ada"), signed_in("vera")
    for _ in range(console_settings.AXES_FAILURE_LIMIT):
        tried("ada", address=THERE)
    fields = {"username": "eve", "email": "eve@example.com", "role": admin.role_id}
    for path in ("change", "sessions/end", "unlock", "link", "deactivate", "activate"):
        refused = told(reception.post(f"/people/{admin.pk}/{path}", fields, follow=True))
        assert "ada may do more than you" in refused, path
    admin.refresh_from_db()
    assert (admin.username, admin.email, admin.is_active) == ("ada", "", True)
    assert ada.get("/me").status_code == 200
    assert tried("ada", PASSWORD, THERE).status_code == 429
    page = told(reception.get(f"/people/{admin.pk}"))
    assert "Sign out everywhere" not in page
    assert "Save" not in page
