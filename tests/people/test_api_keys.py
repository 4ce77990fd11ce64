"""Personal API keys: shown once, limited by the role of their person, expired, revoked, and the answers of the API then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from people.lifetimes import months_after
from people.models import ApiKey, AuditEntry, User
from tests.described import DescribedClient


@pytest.fixture
def own_page(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def made(client: Client, name: str = "Nightly report", months: str = "12") -> Any:
    return client.post("/me/keys", {"name": name, "months": months})


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
    (entry,) = reply.json()["auditLogs"]
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
    first = keys.get("/audit-logs?limit=2").json()
    assert [each["entityName"] for each in first["auditLogs"]] == ["Three", "Two"]
    assert first["pagination"]["hasMore"]
    assert [each["entityName"] for each in keys.get("/audit-logs?limit=2&page=2").json()["auditLogs"]] == ["One"]
    assert keys.get("/audit-logs?changeType=deleted").json()["auditLogs"] == []
    assert (
        len(keys.get(f"/audit-logs?from={timezone.now() - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}").json()["auditLogs"])
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

    def words() -> str:
        reply = with_key(secret).get("/audit-logs")
        assert reply.status_code == 401
        return str(reply.json()["errors"][0])

    own_page.post(f"/me/keys/{key.pk}/revoke")
    assert "was revoked" in words()
    own_page.post(f"/me/keys/{key.pk}/restore")
    assert with_key(secret).get("/audit-logs").status_code == 200
    ApiKey.objects.update(expires_at=timezone.now())
    assert "has expired" in words()
    ApiKey.objects.update(expires_at=None)
    User.objects.filter(pk=admin.pk).update(is_active=False)
    assert "is deactivated" in words()


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
