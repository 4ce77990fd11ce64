"""Org tokens: what each may do, for whom and for how long, and what a sender is told when it may not."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from time_machine import travel

from appkeys.authentication import OrgTokenAuthentication
from appkeys.models import AppKey, OrgToken
from people.models import ApiKey, Area, AuditEntry, Level, Role, User
from tests.api_routes import routes
from tests.conftest import PASSWORD


@pytest.fixture
def administering(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def made(client: Client, **fields: Any) -> str:
    """Return the secret of a token for all integrations, unless some are chosen."""
    fields = {"reach": "chosen" if "app_keys" in fields else "all", **fields}
    secret: str = client.post("/integrations/tokens/new", {"name": "Scripts", **fields}).context["secret"]
    return secret


def sent(token: str, app_key: str, path: str = "/data/v2/alerts") -> Any:
    client = Client(headers={"Authorization": f"Bearer {token}"})
    body = {"app_key": app_key, "status": "critical", "host": "web-1"}
    return client.post(path, body, content_type="application/json")


def refusal(reply: Any, status: int) -> str:
    assert reply.status_code == status
    return str(reply.json()["errors"][0])


def test_a_token_for_some_integrations_speaks_for_those_only(administering: Client, app_key: Any) -> None:
    other, secret = AppKey.issue(name="Zabbix")
    token = made(administering, app_keys=[other.pk])
    assert sent(token, secret).status_code == 201
    assert "may not speak for the integration 'Nagios'" in refusal(sent(token, app_key.secret), 403)
    assert "for Zabbix" in administering.get("/integrations/tokens").content.decode()


def test_it_stays_limited_when_its_only_integration_is_gone(administering: Client, app_key: Any) -> None:
    other, _ = AppKey.issue(name="Zabbix")
    token = made(administering, app_keys=[other.pk])
    OrgToken.objects.get().app_keys.clear()
    assert sent(token, app_key.secret).status_code == 403


def test_a_token_for_the_v1_resources_sends_nothing(administering: Client, app_key: Any) -> None:
    token = made(administering, scopes=["read", "act"])
    assert "lacks the scope 'alerts'" in refusal(sent(token, app_key.secret), 403)


def test_an_expired_token_says_since_when(administering: Client, app_key: Any) -> None:
    token = made(administering, months="6")
    assert sent(token, app_key.secret).status_code == 201
    with travel(timezone.now() + timedelta(days=190)):
        assert "expired on 20" in refusal(sent(token, app_key.secret), 401)
        administering.force_login(User.objects.get())
        assert "Expired" in administering.get("/integrations/tokens").content.decode()


def test_the_last_use_is_shown(administering: Client, app_key: Any) -> None:
    token = made(administering)
    assert ">never</span>" in administering.get("/integrations/tokens").content.decode()
    sent(token, app_key.secret)
    row = administering.get("/integrations/tokens").content.decode().split("<tbody>")[1]
    assert row.count("never") == 1  # expires


@pytest.mark.parametrize(
    ("field", "value"), [("scopes", "all"), ("months", "7"), ("app_keys", "999"), ("reach", "most")]
)
def test_what_is_not_offered_is_told_at_its_field(administering: Client, app_key: Any, field: str, value: str) -> None:
    reply = administering.post("/integrations/tokens/new", {"name": "Scripts", "reach": "all", field: value})
    assert "field-error" in reply.content.decode()
    assert not OrgToken.objects.exists()


# --- What a new token may do


def test_the_token_of_a_new_integration_sends_for_this_integration_alone(administering: Client, app_key: Any) -> None:
    page = administering.post("/integrations/new/api", {"name": "Zabbix"}).context
    token = OrgToken.objects.get()
    assert (token.scope_names, [each.name for each in token.app_keys.all()]) == (["alerts", "deployments"], ["Zabbix"])
    assert sent(page["token"], page["secret"]).status_code == 201
    assert "may not speak for the integration 'Nagios'" in refusal(sent(page["token"], app_key.secret), 403)
    assert "It sends for every integration" not in administering.get("/integrations/tokens").content.decode()


def test_a_further_integration_gets_its_own_token_where_no_token_would_let_it_in(administering: Client) -> None:
    for name in ("Zabbix", "Icinga"):
        assert administering.post("/integrations/new/api", {"name": name}).context["token"]
    made(administering)
    assert "Make an org token that sends for it alone" in administering.get("/integrations/new/api").content.decode()
    assert not administering.post("/integrations/new/api", {"name": "Datadog"}).context["token"]


def test_a_token_needs_its_integrations_or_the_choice_of_all(administering: Client, app_key: Any) -> None:
    page = administering.post("/integrations/tokens/new", {"name": "Scripts", "scopes": ["alerts"]}).content.decode()
    assert "Choose the integrations that it speaks for, or all of them." in page
    assert not OrgToken.objects.exists()


def test_more_than_sending_for_ones_own_is_warned_of_on_the_page_and_in_the_audit_log(administering: Client) -> None:
    page = administering.get("/integrations/tokens/new").content.decode()
    assert "Whoever finds this token can send in the name of every integration." in page
    made(administering, scopes=list(OrgToken.Scope), sees_restricted="on")
    for path in ("/integrations/tokens", "/audit"):
        shown = administering.get(path).content.decode()
        assert "It sends for every integration, also for those to come." in shown
        assert "It reaches every incident, also those that are kept for some roles." in shown


def test_only_an_administrator_makes_a_token_that_sees_restricted_incidents(administering: Client) -> None:
    keeper = Role.objects.create(name="Keeper", permissions={Area.INTEGRATIONS: Level.FULL})
    clerk = Client()
    clerk.force_login(User.objects.create_user("kay", password=PASSWORD, role=keeper))
    assert b"sees_restricted" in administering.get("/integrations/tokens/new").content
    assert b"sees_restricted" not in clerk.get("/integrations/tokens/new").content
    asked = {"name": "Mine", "scopes": ["read"], "reach": "all", "sees_restricted": "on", "your_password": PASSWORD}
    assert clerk.post("/integrations/tokens/new", asked).context["secret"]
    assert not OrgToken.objects.get().sees_restricted


V1 = "/resources/v1.0/incidents/1"


def needed(method: str, path: str) -> str:
    if path.startswith("/resources/"):
        return "read" if method == "get" else "act"
    others = {"/configurations/": "mappings", "/data/events/deployments/": "deployments"}
    return next((scope for start, scope in others.items() if path.startswith(start)), "alerts")


@pytest.mark.parametrize("scope", list(OrgToken.Scope))
def test_each_scope_opens_its_routes_and_no_other(app_key: Any, scope: OrgToken.Scope) -> None:
    _, with_it = OrgToken.issue(name="With it", scopes=[scope])
    _, without_it = OrgToken.issue(name="Without it", scopes=[each for each in OrgToken.Scope if each != scope])
    found = [each for each in routes(OrgTokenAuthentication) if needed(*each) == scope]
    assert found, "the walk finds the routes"
    for method, path in found:
        body = {} if method == "get" else {"data": "{}", "content_type": "application/json"}
        for secret, allowed in ((with_it, True), (without_it, False)):
            client = Client(headers={"Authorization": f"Bearer {secret}"})
            reply = getattr(client, method)(path, **body)
            if allowed:
                assert reply.status_code not in (401, 403), f"{method} {path}: {reply.content!r}"
            else:
                assert f"lacks the scope '{scope.value}'" in refusal(reply, 403), f"{method} {path}"


def test_a_token_from_before_there_were_scopes_keeps_what_it_could_do() -> None:
    migration = import_module("appkeys.migrations.0003_token_scopes")
    assert set(migration.SCOPES["everything"].split()) == set(OrgToken.Scope)
    assert {"alerts", "deployments", "mappings"} == set(migration.SCOPES["sending"].split())
    assert {"read", "act"} == set(migration.SCOPES["resources"].split())


# --- On the command line


def test_the_command_makes_a_token_that_sends_for_the_app_key_of_the_same_name(
    app_key: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    _, other_secret = AppKey.issue(name="Zabbix")
    call_command("create_org_token", "nagios")
    secret = capsys.readouterr().out.strip()
    assert sent(secret, app_key.secret).status_code == 201
    assert sent(secret, other_secret).status_code == 403
    assert "lacks the scope 'read'" in refusal(Client(headers={"Authorization": f"Bearer {secret}"}).get(V1), 403)
    call_command("create_org_token", "Two", "--app-key", "Nagios", "--app-key", "Zabbix", "--days", "3")
    both = capsys.readouterr().out.strip()
    assert sent(both, other_secret).status_code == 201
    with travel(timezone.now() + timedelta(days=4)):
        assert "expired" in refusal(sent(both, other_secret), 401)
    call_command("create_org_token", "All", "--all-app-keys", "--scope", "read", "--scope", "alerts")
    assert OrgToken.objects.get(name="All").scopes == "alerts read"
    assert sent(capsys.readouterr().out.strip(), other_secret).status_code == 204


@pytest.mark.parametrize(
    ("asked", "told"),
    [(("First steps",), "no App Key named 'First steps'.*--all-app-keys"), (("Nagios", "--days", "0"), "--days")],
)
def test_the_command_says_why_no_token_was_made(app_key: Any, asked: tuple[str, ...], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        call_command("create_org_token", *asked)
    assert not OrgToken.objects.exists()


# --- Without https


def test_a_credential_without_https_is_refused_and_said_to_be_replaced(
    settings: Any, org_token: Any, app_key: Any, admin: User
) -> None:
    settings.HTTPS, settings.SECURE_SSL_REDIRECT = True, True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    _, api_key = ApiKey.issue(admin, name="Mine", expires_at=None)
    told = "takes keys and tokens over https only"
    assert told in refusal(sent(org_token.secret, app_key.secret), 403)
    for secret, path in ((org_token.secret, V1), (api_key, "/audit-logs"), (api_key, "/resources/v2.0/why-not")):
        client = Client(headers={"Authorization": f"Bearer {secret}"})
        assert told in refusal(client.get(path), 403)
        assert client.get(path, headers={"X-Forwarded-Proto": "https"}).status_code in (200, 404)
    query = f"/data/v2/alerts?access_token={org_token.secret}&app_key={app_key.secret}"
    assert told in refusal(Client().post(query, {"status": "critical"}, content_type="application/json"), 403)
    assert Client().get("/login").status_code == 301


# --- Uses


def test_the_first_use_of_a_token_from_an_address_is_in_the_audit_log(administering: Client, app_key: Any) -> None:
    client = Client(headers={"Authorization": f"Bearer {made(administering)}"})
    body = {"app_key": app_key.secret, "status": "critical", "host": "web-1"}
    for address in ("192.0.2.7", "192.0.2.7", "2001:db8::8"):
        client.post("/data/v2/alerts", body, content_type="application/json", REMOTE_ADDR=address)
    token = OrgToken.objects.get()
    uses = AuditEntry.objects.filter(change="used").order_by("pk")
    assert [each.address for each in uses] == ["192.0.2.7", "2001:db8::8"]
    assert {each.actor_name for each in uses} == {f"Org token Scripts (id {token.pk}, ends in {token.suffix})"}
    assert "from 192.0.2.7" in administering.get("/integrations/tokens").content.decode()
