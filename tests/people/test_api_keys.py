"""Personal API keys: shown once, limited by the role of their person, expired, revoked, and the answers of the API then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from people.lifetimes import months_after
from people.models import ApiKey, AuditEntry, BuiltIn, Role, User
from tests.conftest import PASSWORD
from tests.described import DescribedClient


@pytest.fixture
def own_page(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def made(client: Client, name: str = "Nightly report", scopes: tuple[str, ...] = ("read",), **fields: str) -> Any:
    return client.post("/me/keys", {"name": name, "scopes": scopes, **fields})


def refusal(secret: str) -> str:
    reply = with_key(secret).get("/audit-logs")
    assert reply.status_code == 401
    return str(reply.json()["errors"][0])


def with_key(secret: str) -> Client:
    return DescribedClient(headers={"Authorization": f"Bearer {secret}"})


def test_a_key_is_shown_once_and_begins_as_bigpandas_do(own_page: Client) -> None:
    reply = made(own_page)
    secret = reply.context["secret"]
    assert secret.startswith("BPU")
    assert secret in reply.content.decode()
    assert "no-store" in reply.headers["Cache-Control"]
    later = own_page.get("/me").content.decode()
    assert secret not in later
    assert secret[-4:] in later
    assert secret not in str(list(ApiKey.objects.values()) + list(AuditEntry.objects.values()))


def test_it_reads_what_its_person_may_see(own_page: Client) -> None:
    reply = with_key(made(own_page).context["secret"]).get("/audit-logs")
    assert reply.status_code == 200
    _, entry = reply.json()["auditLogs"]
    assert (entry["changeType"], entry["entityName"], entry["actorType"]) == ("created", "Nightly report", "user")
    assert reply.json()["pagination"] == {"page": 1, "limit": 100, "hasMore": False}
    assert "never</span>" not in own_page.get("/me").content.decode().split("Last used")[1].split("</tr>")[1]


def test_a_viewers_key_may_not_read_the_audit_log(viewer: User) -> None:
    _, secret = ApiKey.issue(viewer, name="Mine", expires_at=None)
    reply = with_key(secret).get("/audit-logs")
    assert reply.status_code == 403
    assert "Your role does not let you see this: Audit log" in reply.json()["errors"][0]


def test_the_audit_log_is_read_by_page_and_by_what_was_asked_for(own_page: Client) -> None:
    keys = with_key(made(own_page, "One").context["secret"])
    for name in ("Two", "Three"):
        made(own_page, name)
    first = keys.get("/audit-logs?changeType=created&limit=2").json()
    assert [each["entityName"] for each in first["auditLogs"]] == ["Three", "Two"]
    assert first["pagination"]["hasMore"]
    assert [
        each["entityName"] for each in keys.get("/audit-logs?changeType=created&limit=2&page=2").json()["auditLogs"]
    ] == ["One"]
    assert keys.get("/audit-logs?changeType=deleted").json()["auditLogs"] == []
    assert (
        len(
            keys.get(
                f"/audit-logs?changeType=created&from={timezone.now() - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
            ).json()["auditLogs"]
        )
        == 3
    )


@pytest.mark.parametrize(
    ("query", "named"),
    [("from=soon", "from"), ("changeType=burnt", "changeType"), ("limit=0", "limit"), ("page=x", "page")],
)
def test_a_question_that_makes_no_sense_is_answered_by_the_fields_name(
    own_page: Client, query: str, named: str
) -> None:
    reply = with_key(made(own_page).context["secret"]).get(f"/audit-logs?{query}")
    assert reply.status_code == 400
    assert reply.json()["errors"][0].startswith(f"{named}: ")


def test_without_a_key_with_an_unknown_one_and_with_an_org_token_it_says_what_is_wanted(
    db: None, org_token: Any
) -> None:
    def refusal(client: Client) -> str:
        reply = client.get("/audit-logs")
        assert reply.status_code == 401
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
        return str(reply.json()["errors"][0])

    assert "API key is required" in refusal(Client())
    assert "not known here" in refusal(with_key("BPU" + "0" * 32))
    assert "begins with BPU" in refusal(with_key(org_token.secret))


def test_revoked_expired_and_of_somebody_deactivated_each_has_its_words(own_page: Client, admin: User) -> None:
    secret = made(own_page).context["secret"]
    key = ApiKey.objects.get()

    own_page.post(f"/me/keys/{key.pk}/revoke")
    assert "was revoked" in refusal(secret)
    own_page.post(f"/me/keys/{key.pk}/restore")
    assert with_key(secret).get("/audit-logs").status_code == 200
    ApiKey.objects.update(expires_at=timezone.now())
    assert "has expired" in refusal(secret)
    ApiKey.objects.update(expires_at=None)
    User.objects.filter(pk=admin.pk).update(is_active=False)
    assert "is deactivated" in refusal(secret)


def test_nobody_touches_the_keys_of_others(own_page: Client, viewer: User) -> None:
    key, _ = ApiKey.issue(viewer, name="Mine", expires_at=None)
    assert own_page.post(f"/me/keys/{key.pk}/revoke").status_code == 404
    assert "Mine" not in own_page.get("/me").content.decode()


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "nightly REPORT"])
def test_a_name_that_cannot_be_had_is_told_at_the_field(own_page: Client, name: str) -> None:
    made(own_page)
    assert 'id="id_name-error"' in made(own_page, name).content.decode()
    assert ApiKey.objects.count() == 1


def test_months_end_where_the_calendar_says() -> None:
    assert months_after(datetime(2026, 8, 31, tzinfo=UTC), 6) == datetime(2027, 2, 28, tzinfo=UTC)
    assert months_after(datetime(2026, 12, 1, tzinfo=UTC), 24) == datetime(2028, 12, 1, tzinfo=UTC)


def test_what_is_no_route_is_answered_in_the_wires_shape(db: None) -> None:
    reply = Client().get("/resources/v2.0/nothing")
    assert (reply.status_code, reply.json()["errors"]) == (404, ["Route /resources/v2.0/nothing is not found"])


# --- How long a key works


def test_a_key_works_for_a_year_unless_another_time_was_chosen(own_page: Client) -> None:
    made(own_page)
    left = ApiKey.objects.get().expires_at - timezone.now()  # type: ignore[operator]
    assert timedelta(days=364) < left < timedelta(days=367)


def test_a_key_that_never_expires_is_a_choice_and_is_warned_of(own_page: Client) -> None:
    assert "A key that never expires works until somebody revokes it" in own_page.get("/me").content.decode()
    made(own_page, months="never")
    assert ApiKey.objects.get().expires_at is None
    assert "Make one that expires instead" in own_page.get("/me").content.decode()
    assert "This key never expires" in own_page.get("/audit").content.decode()


def test_a_key_reads_where_nothing_else_was_chosen(own_page: Client) -> None:
    made(own_page, scopes=())
    assert ApiKey.objects.get().scopes == "read"
    assert "field-error" in made(own_page, "Another", scopes=("everything",)).content.decode()
    assert ApiKey.objects.count() == 1


def test_a_reset_of_the_password_ends_the_keys_for_good(own_page: Client, responder: User) -> None:
    key, secret = ApiKey.issue(responder, name="Mine", expires_at=None)
    link = own_page.post(f"/people/{responder.pk}/link").context["link"]
    assert with_key(secret).get("/resources/v2.0/incidents/tags/definitions").status_code == 200
    theirs, new = Client(), "another horse battery"
    theirs.post(link, {"new_password1": new, "new_password2": new})
    assert "was revoked" in refusal(secret)
    assert theirs.post(f"/me/keys/{key.pk}/restore").status_code == 404
    assert "The password was reset." in theirs.get("/me").content.decode()


def test_a_deactivated_person_has_no_keys_after_an_activation(own_page: Client, responder: User) -> None:
    _, secret = ApiKey.issue(responder, name="Mine", expires_at=None)
    own_page.post(f"/people/{responder.pk}/deactivate")
    own_page.post(f"/people/{responder.pk}/activate")
    assert "was revoked" in refusal(secret)
    assert "The person was deactivated." in own_page.get(f"/people/{responder.pk}").content.decode()


@pytest.mark.parametrize(("ticked", "works"), [({"end_keys": "on"}, False), ({}, True)])
def test_a_change_of_the_password_ends_the_keys_unless_the_person_keeps_them(
    own_page: Client, ticked: dict[str, str], works: bool
) -> None:
    assert 'name="end_keys" checked' in own_page.get("/me").content.decode()
    secret = made(own_page).context["secret"]
    new = "another horse battery"
    passwords = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    reply = own_page.post("/me/password", passwords | ticked, follow=True)
    assert ("1 API key ended, too." in reply.content.decode()) is not works
    assert (with_key(secret).get("/audit-logs").status_code == 200) is works


# --- Keys of others


def test_an_administrator_sees_and_revokes_the_key_of_another_person_for_good(
    own_page: Client, responder: User
) -> None:
    key, secret = ApiKey.issue(responder, name="Night shift", expires_at=None, scopes=["act"])
    assert "Night shift" in own_page.get(f"/people/{responder.pk}").content.decode()
    own_page.post(f"/people/{responder.pk}/keys/{key.pk}/revoke")
    assert "was revoked" in refusal(secret)
    assert "ada revoked it." in own_page.get(f"/people/{responder.pk}").content.decode()
    own_page.force_login(responder)
    assert own_page.post(f"/me/keys/{key.pk}/restore").status_code == 404
    assert AuditEntry.objects.get(change="deactivated").actor_name == "ada"


def test_nobody_revokes_the_key_of_a_person_with_more_rights(client: Client, admin: User, viewer: User) -> None:
    key, secret = ApiKey.issue(admin, name="Mine", expires_at=None)
    viewer.role = Role.objects.create(name="Staff", permissions={"people": "full_access"})
    viewer.save()
    client.force_login(viewer)
    client.post(f"/people/{admin.pk}/keys/{key.pk}/revoke")
    assert with_key(secret).get("/audit-logs").status_code == 200
    viewer.role = Role.objects.built_in(BuiltIn.VIEWER)
    viewer.save()
    assert client.post(f"/people/{admin.pk}/keys/{key.pk}/revoke").status_code == 403


# --- Uses


def test_the_first_use_from_an_address_is_in_the_audit_log_and_the_last_one_on_the_page(own_page: Client) -> None:
    keys = with_key(made(own_page).context["secret"])
    for address in ("192.0.2.7", "192.0.2.7", "192.0.2.8", "192.0.2.7"):
        keys.get("/audit-logs", REMOTE_ADDR=address)
    uses = AuditEntry.objects.filter(change="used").order_by("pk")
    assert [each.address for each in uses] == ["192.0.2.7", "192.0.2.8"]
    assert {(each.actor_name, each.actor_kind, each.entity_name) for each in uses} == {
        ("ada", "api_key", "Nightly report")
    }
    assert "from 192.0.2.7" in own_page.get("/me").content.decode()


def test_a_restart_does_not_repeat_the_first_use(own_page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = with_key(made(own_page).context["secret"])
    keys.get("/audit-logs", REMOTE_ADDR="192.0.2.7")
    monkeypatch.setattr("people.key_use._known", set())
    keys.get("/audit-logs", REMOTE_ADDR="192.0.2.7")
    assert AuditEntry.objects.filter(change="used").count() == 1


def test_a_key_with_very_many_addresses_does_not_fill_the_audit_log(
    own_page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("people.key_use.ADDRESSES_A_DAY", 2)
    keys = with_key(made(own_page).context["secret"])
    for number in range(6):
        keys.get("/audit-logs", REMOTE_ADDR=f"192.0.2.{number}")
    assert AuditEntry.objects.filter(change="used").count() == 3
    assert "More than 2 addresses in a day" in own_page.get("/audit").content.decode()


# --- On the command line


def test_a_key_for_a_script_is_made_on_the_command_line(responder: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_api_key", "Backup", "--user", "rosa", "--scope", "act", "--days", "2")
    secret = capsys.readouterr().out.strip()
    assert secret.startswith("BPU")
    key = ApiKey.objects.get()
    assert (key.user, key.scopes) == (responder, "act")
    assert timedelta(days=1) < key.expires_at - timezone.now() <= timedelta(days=2)  # type: ignore[operator]
    call_command("create_api_key", "Report", "--user", "rosa")
    reads = capsys.readouterr().out.strip()
    assert with_key(reads).get("/resources/v2.0/incidents/tags/definitions").status_code == 200
    assert AuditEntry.objects.filter(change="created", actor_name="The console").count() == 2


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("Backup", "--user", "nobody"), "no active person named 'nobody'"),
        (("Backup", "--user", "rosa", "--days", "0"), "--days"),
        (("", "--user", "rosa"), "cannot be blank"),
    ],
)
def test_the_command_says_why_no_key_was_made(responder: User, asked: tuple[str, ...], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        call_command("create_api_key", *asked)
    assert not ApiKey.objects.exists()
