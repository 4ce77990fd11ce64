"""The one OpenAPI document describes patterns and reasons too, as they are."""

from __future__ import annotations

import re
from typing import Any, cast

import schemathesis
from django.test import Client
from django.urls import URLPattern

from bigpanda_site.openapi import document
from incidents.patterns.transfer import all_as_data
from incidents.urls.patterns import resources
from people.models import User


def test_the_whole_document_is_valid_openapi() -> None:
    cast(Any, schemathesis.openapi.from_dict(document("http://localhost"))).validate()


def is_described(route: URLPattern) -> bool:
    described = {re.sub(r"\{[^}]*\}", "{}", path) for path in document()["paths"]}
    return f"/resources/{re.sub(r'<[^>]*>', '{}', str(route.pattern))}" in described


def test_every_route_is_described() -> None:
    assert all(map(is_described, resources))


def test_a_pattern_has_exactly_the_properties_that_are_described(db: None) -> None:
    properties = document()["components"]["schemas"]["Pattern"]["properties"]
    for pattern in all_as_data():
        assert set(pattern) == set(properties)


def test_it_is_served_to_who_is_signed_in(client: Client, viewer: User) -> None:
    assert client.get("/api/openapi.json").status_code == 302
    client.force_login(viewer)
    assert "/resources/v2.0/correlation-patterns" in client.get("/api/openapi.json").json()["paths"]
