"""A rotated App Key: both secrets work until a day or until somebody ends it, and the page says which one senders still use."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from time_machine import travel

from appkeys.models import AppKey
from people.models import AuditEntry, User
from tests.conftest import Send


@pytest.fixture
def administering(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def rotated(client: Client, app_key: Any, days: str = "7") -> str:
    secret: str = client.post(f"/integrations/{app_key.pk}/rotate", {"days": days}).context["secret"]
    return secret


def sends(send: Send, secret: str) -> int:
    return send({"app_key": secret, "status": "critical", "host": "web-1", "n": str(timezone.now())}).status_code


def test_both_secrets_work_until_the_day_that_was_chosen(administering: Client, app_key: Any, send: Send) -> None:
    new = rotated(administering, app_key)
    assert sends(send, app_key.secret) == sends(send, new) == 201
    with travel(timezone.now() + timedelta(days=7, minutes=1)):
        assert sends(send, app_key.secret) == 400
        assert sends(send, new) == 201


def test_what_both_sent_belongs_to_the_same_integration(administering: Client, app_key: Any, send: Send) -> None:
    event = {"status": "critical", "host": "web-1"}
    send({"app_key": app_key.secret, **event})
    assert send({"app_key": rotated(administering, app_key), **event}).status_code == 204


def test_without_an_overlap_the_old_one_is_refused_at_once(administering: Client, app_key: Any, send: Send) -> None:
    new = rotated(administering, app_key, "0")
    assert sends(send, app_key.secret) == 400
    assert sends(send, new) == 201


def test_it_is_ended_and_taken_back(administering: Client, app_key: Any, send: Send) -> None:
    rotated(administering, app_key)
    administering.post(f"/integrations/{app_key.pk}/rotate/end")
    assert sends(send, app_key.secret) == 400
    administering.post(f"/integrations/{app_key.pk}/rotate/prolong")
    assert sends(send, app_key.secret) == 201


def test_the_page_says_which_secret_senders_still_use(administering: Client, app_key: Any, send: Send) -> None:
    new = rotated(administering, app_key)
    sends(send, app_key.secret)
    page = administering.get(f"/integrations/{app_key.pk}").content.decode().split("Secrets in use")[1]
    new_row, old_row = page.split("<tr>")[2:4]
    assert new[-4:] in new_row
    assert "not yet" in new_row
    assert app_key.secret[-4:] in old_row
    assert "<time" in old_row.split("</td>")[1]
    sends(send, new)
    page = administering.get(f"/integrations/{app_key.pk}").content.decode().split("Secrets in use")[1]
    assert "not yet" not in page.split("<tr>")[2]


def test_a_second_rotation_leaves_the_first_secret_behind(administering: Client, app_key: Any, send: Send) -> None:
    second = rotated(administering, app_key)
    third = rotated(administering, app_key)
    assert sends(send, app_key.secret) == 400
    assert sends(send, second) == sends(send, third) == 201


def test_it_is_written_down_without_the_secrets(administering: Client, app_key: Any) -> None:
    new = rotated(administering, app_key)
    entry = AuditEntry.objects.get(change="rotated")
    assert {each["propertyPath"] for each in entry.changes} == {"ends_in", "old_works_until"}
    assert new not in json.dumps(entry.changes)
    assert new not in administering.get(f"/integrations/{app_key.pk}").content.decode()


def test_a_time_that_is_not_offered_rotates_nothing(administering: Client, app_key: Any, send: Send) -> None:
    administering.post(f"/integrations/{app_key.pk}/rotate", {"days": "9999"})
    assert not AppKey.objects.get().old_digest
    assert sends(send, app_key.secret) == 201
