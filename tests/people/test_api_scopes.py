"""Scopes of personal API keys, on every route of the URL map that takes a key."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from people.authentication import ApiKeyAuthentication
from people.models import ApiKey, Scope, User
from tests.api_routes import routes
from tests.conftest import Reply

# What people do while they respond. Every other change is configuration.
ACTING = re.compile(r"^/resources/v2\.0/(environments|maintenance-plans|incidents/\d)")


def needed(method: str, path: str) -> Scope:
    if method == "get":
        return Scope.READ
    return Scope.ACT if ACTING.match(path) else Scope.ADMINISTER


def test_a_key_does_on_every_route_what_its_scopes_say_and_nothing_else(admin: User) -> None:
    found = list(routes(ApiKeyAuthentication))
    assert len(found) > 40, "the walk finds the routes"
    for scope in Scope:
        _, with_it = ApiKey.issue(admin, name=f"With {scope}", expires_at=None, scopes=[scope])
        others = [each for each in Scope if each != scope]
        _, without_it = ApiKey.issue(admin, name=f"Without {scope}", expires_at=None, scopes=others)
        for method, path in found:
            if needed(method, path) != scope:
                continue
            allowed = sent(with_it, method, path)
            assert allowed.status_code not in (401, 403), f"{method} {path} with {scope}: {allowed.content!r}"
            refused = sent(without_it, method, path)
            assert refused.status_code == 403, f"{method} {path} without {scope}"
            assert f"lacks the scope '{scope.value}'" in refused.json()["errors"][0], f"{method} {path}"


def test_a_scope_does_not_widen_the_role(viewer: User) -> None:
    _, secret = ApiKey.issue(viewer, name="Mine", expires_at=None)
    refused = sent(secret, "post", "/resources/v2.0/environments/all/incidents/1/resolve")
    assert refused.status_code == 403
    assert "Your role does not let you change this" in refused.json()["errors"][0]


def test_a_key_from_before_there_were_scopes_has_all_of_them(admin: User) -> None:
    _, secret = ApiKey.issue(admin, name="Old", expires_at=None)
    ApiKey.objects.update(scopes=ApiKey._meta.get_field("scopes").db_default)
    for method, path in (("get", "/audit-logs"), ("post", "/resources/v2.1/correlation-patterns-order/reset")):
        assert sent(secret, method, path).status_code < 300


@pytest.mark.parametrize("secret", ["", "BPU" + "0" * 32])
def test_no_route_opens_without_a_key(db: None, secret: str) -> None:
    for method, path in routes(ApiKeyAuthentication):
        assert sent(secret, method, path).status_code == 401, f"{method} {path}"


def sent(secret: str, method: str, path: str) -> Reply:
    client = Client(headers={"Authorization": f"Bearer {secret}"} if secret else {})
    body = {} if method == "get" else {"data": "{}", "content_type": "application/json"}
    reply: Reply = getattr(client, method)(path, **body)
    return reply
