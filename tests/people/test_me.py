"""A person's own page."""

from __future__ import annotations

import pytest
from django.test import Client

from people.models import User
from tests.conftest import PASSWORD

NEW = "another battery, horse"


@pytest.fixture
def own_page(client: Client, viewer: User) -> Client:
    client.force_login(viewer)
    return client


def signs_in(person: User, password: str) -> bool:
    return Client().post("/login", {"username": person.username, "password": password}).status_code == 302


def change(client: Client, old: str = PASSWORD, new: str = NEW, again: str = NEW) -> str:
    fields = {"old_password": old, "new_password1": new, "new_password2": again}
    return client.post("/me/password", fields, follow=True).content.decode()


def test_a_new_password_is_the_one_that_signs_in_from_now_on(own_page: Client, viewer: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(viewer)
    assert "Your password is changed" in change(own_page)
    assert own_page.get("/me").status_code == 200
    assert elsewhere.get("/me").status_code == 302
    assert signs_in(viewer, NEW)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"old": "wrong"}, "old password was entered incorrectly"),
        ({"again": "something else"}, "match"),
        ({"new": "short", "again": "short"}, "too short"),
        ({"new": "password1234", "again": "password1234"}, "too common"),
    ],
)
def test_a_password_that_cannot_be_is_told_at_its_field(
    own_page: Client, viewer: User, fields: dict[str, str], told: str
) -> None:
    assert told in change(own_page, **fields)
    assert signs_in(viewer, PASSWORD)
