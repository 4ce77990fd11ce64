"""The audit log: administrative changes with old and new values, searched and exported."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from people import audit
from people.audit import Change
from people.models import AuditEntry, User


@pytest.fixture
def reading(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def shown(client: Client, query: str = "") -> str:
    return client.get(f"/audit{query}").content.decode()


def file(client: Client, form: str, query: str = "") -> str:
    reply: Any = client.get(f"/audit.{form}{query}")
    return b"".join(reply.streaming_content).decode()


def changed(by: User | None, subject: User, *, old: dict[str, Any], new: dict[str, Any]) -> AuditEntry:
    return audit.record(by, subject, Change.CHANGED, old=old, new=new)


def test_before_anything_was_changed_the_page_says_what_will_stand_there(reading: Client) -> None:
    assert "Nothing was changed yet" in shown(reading)


def test_making_and_deactivating_an_integration_is_written_down(reading: Client, admin: User) -> None:
    app_key = reading.post("/integrations/new/api", {"name": "Nagios <East>"}).context["app_key"]
    reading.post(f"/integrations/{app_key.pk}/deactivate")
    page = shown(reading, "?what=App+Key")
    assert page.count(escape("Nagios <East>")) >= 2
    assert "Deactivated App Key" in page
    assert "Created App Key" in page
    assert admin.username in page


def test_what_did_not_change_is_left_out_and_what_did_has_both_values(admin: User, viewer: User) -> None:
    entry = changed(
        admin, viewer, old={"a": 1, "b": {"c": [1], "d": "x"}}, new={"a": 1, "b": {"c": [2], "d": "x"}, "e": True}
    )
    assert entry.changes == [
        {"propertyPath": "b.c", "changeType": "modified", "oldValue": [1], "newValue": [2]},
        {"propertyPath": "e", "changeType": "added", "oldValue": None, "newValue": True},
    ]


@pytest.mark.parametrize(
    "name", ["password", "org_token", "digest", "app_key", "apiKey", "Authorization", "client_secret"]
)
def test_a_secret_is_written_as_redacted_wherever_it_stands(
    reading: Client, admin: User, viewer: User, name: str
) -> None:
    changed(admin, viewer, old={name: "hunter-1"}, new={name: "hunter-2", "webhook": {"headers": [{name: "hunter-3"}]}})
    everything = json.dumps(list(AuditEntry.objects.values()), default=str)
    assert "hunter" not in everything
    assert "[REDACTED]" in shown(reading)


def test_it_is_searched_by_every_word_in_names_properties_and_values(
    reading: Client, admin: User, viewer: User
) -> None:
    changed(admin, viewer, old={"email": "vera@old.example"}, new={"email": "vera@new.example"})
    for words in ("VERA", "old.example", "email ada", "changed"):
        assert "vera@new.example" in shown(reading, f"?q={words}")
    assert "No change matches" in shown(reading, "?q=vera+nobody")


def test_it_is_narrowed_by_who_what_change_and_day(reading: Client, admin: User, viewer: User) -> None:
    entry = changed(admin, viewer, old={"email": "a@example.com"}, new={"email": "b@example.com"})
    day = f"{entry.at:%Y-%m-%d}"
    for query in ("who=ada", "what=user", "changeType=changed", f"from={day}&to={day}"):
        assert "b@example.com" in shown(reading, f"?{query}")
    for query in ("who=vera", "what=App+Key", "changeType=deleted", "to=2020-01-01", "from=2999-01-01"):
        assert "No change matches" in shown(reading, f"?{query}")


@pytest.mark.parametrize("query", ["from=yesterday", "to=2026-13-99", "from=99999-01-01"])
def test_a_day_that_is_none_is_told_at_its_field(reading: Client, query: str) -> None:
    assert "This is no date" in shown(reading, f"?{query}")
    assert "This is no date" in reading.get(f"/audit.csv?{query}").content.decode()


def test_it_is_paged_by_key(reading: Client, admin: User, viewer: User) -> None:
    for number in range(60):
        changed(admin, viewer, old={}, new={"number": f"no-{number}-"})
    first = reading.get("/audit")
    assert "no-59-" in first.content.decode()
    assert "no-9-" not in first.content.decode()
    older = shown(reading, first.context["older"])
    assert "no-9-" in older
    assert "no-0-" in older


def test_the_files_hold_everything_that_was_found(reading: Client, admin: User, viewer: User) -> None:
    for number in range(60):
        changed(admin, viewer, old={"n": number}, new={"n": number + 1})
    rows = list(csv.DictReader(file(reading, "csv", "?who=ada").splitlines()))
    assert len(rows) == 60
    assert (rows[0]["actor"], rows[0]["property"], rows[0]["oldValue"], rows[0]["newValue"]) == ("ada", "n", "59", "60")
    entries = json.loads(file(reading, "json"))
    assert [entry["changes"][0]["newValue"] for entry in entries] == list(range(60, 0, -1))
    assert json.loads(file(reading, "json", "?who=nobody")) == []


def test_a_value_is_no_formula_in_a_spreadsheet(reading: Client, admin: User, viewer: User) -> None:
    changed(admin, viewer, old={}, new={"note": '=HYPERLINK("http://evil.example")'})
    (row,) = csv.DictReader(file(reading, "csv").splitlines())
    assert row["newValue"].startswith("'=")


def test_the_entry_outlives_who_made_it_and_what_it_tells_of(reading: Client, viewer: User, responder: User) -> None:
    changed(viewer, responder, old={}, new={"email": "r@example.com"})
    User.objects.filter(pk__in=[viewer.pk, responder.pk]).delete()
    page = shown(reading)
    assert "vera" in page
    assert "rosa" in page


@pytest.mark.parametrize("path", ["/audit", "/audit.csv", "/audit.json"])
@pytest.mark.parametrize("role", ["responder", "viewer"])
def test_only_administrators_read_it(client: Client, request: pytest.FixtureRequest, role: str, path: str) -> None:
    client.force_login(request.getfixturevalue(role))
    assert client.get(path).status_code == 403


def test_each_change_names_the_address_that_it_came_from(reading: Client, admin: User) -> None:
    reading.post("/integrations/new/api", {"name": "Nagios"}, REMOTE_ADDR="192.0.2.7")
    assert "from 192.0.2.7" in shown(reading, "?q=192.0.2.7")
    rows = list(csv.DictReader(file(reading, "csv", "?what=App+Key").splitlines()))
    assert {row["address"] for row in rows} == {"192.0.2.7"}
    entries = json.loads(file(reading, "json", "?what=App+Key"))
    assert entries[0]["metadata"] == {"address": "192.0.2.7"}


def test_what_the_console_does_by_itself_has_no_address(reading: Client, admin: User, viewer: User) -> None:
    reading.get("/audit", REMOTE_ADDR="192.0.2.7")
    changed(None, viewer, old={}, new={"email": "v@example.com"})
    assert AuditEntry.objects.get().address == ""
