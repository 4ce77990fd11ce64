"""Tests of the OpenAPI document, which describes every operation of the URL map and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.test import Client
from django.urls import URLPattern, get_resolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.views import APIView
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from alerts.api.alerts import is_for_senders
from bigpanda_site.openapi import document
from bigpanda_site.operation_schema import described_operations
from bigpanda_site.wsgi import application
from people.models import ApiKey, User
from tests.described import described_path

VERBS = {"get", "post", "put", "patch", "delete"}  # DRF itself answers OPTIONS and HEAD


@pytest.fixture
def served(client: Client, viewer: User) -> Any:
    client.force_login(viewer)
    return client.get("/api/openapi.json").json()


def urls(patterns: Any = None, before: str = "") -> Iterator[tuple[str, Any]]:
    """Return each path of the URL map, with parameters as in the document, and the view of the path."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        path = before + str(each.pattern).removeprefix("^")
        if isinstance(each, URLPattern):
            yield described_path(path), getattr(each.callback, "cls", each.callback)
        else:
            yield from urls(each.url_patterns, path)


def operations_of_the_url_map() -> set[tuple[str, str]]:
    return {
        (verb, path)
        for path, view in urls()
        if isinstance(view, type) and issubclass(view, APIView)
        for verb in VERBS & set(view.http_method_names)
        if hasattr(view, verb)
    }


def test_every_operation_is_described_and_nothing_else(served: Any) -> None:
    described = {(verb, path) for path, verbs in served["paths"].items() for verb in verbs}
    assert described == operations_of_the_url_map()


def test_every_route_of_senders_and_scripts_is_an_api_view() -> None:
    assert {path for path, view in urls() if is_for_senders(path) and not hasattr(view, "schema")} == set()


def test_every_operation_has_a_name_of_its_own_a_summary_and_a_known_tag(served: Any) -> None:
    operations = [each for verbs in served["paths"].values() for each in verbs.values()]
    names = [each["operationId"] for each in operations]
    assert sorted(set(names)) == sorted(names)
    assert all(each["summary"] for each in operations)
    used = {tag for each in operations for tag in each["tags"]}
    assert used == {tag["name"] for tag in served["tags"]}


def test_every_credential_that_an_operation_takes_is_described(served: Any) -> None:
    operations = [each for verbs in served["paths"].values() for each in verbs.values()]
    used = {scheme for each in operations for choice in each["security"] for scheme in choice}
    assert used == set(served["components"]["securitySchemes"])


def test_the_document_is_valid_openapi(served: Any) -> None:
    checked: Any = schemathesis.openapi.from_dict(served)
    checked.validate()


def test_nothing_of_an_operation_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    described_operations()
    assert capsys.readouterr().err == ""


# --- Generated requests

GENERATED = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "60"))
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.mark.django_db(transaction=True)  # the WSGI handler closes its connection after each request
def test_generated_requests_to_resources_are_answered_as_described(admin: User, org_token: Any) -> None:
    _, api_key = ApiKey.issue(admin, name="Script", expires_at=None)
    described = document("http://localhost")
    schema: Any = schemathesis.openapi.from_dict(described)
    schema.app = application
    declared = [
        (path, verb)
        for path, verbs in described["paths"].items()
        for verb, each in verbs.items()
        if not {"Alerts", "Webhooks"} & set(each["tags"])  # tests/alerts has tests of these
    ]
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    generated = st.one_of([schema[path][verb].as_strategy(mode) for path, verb in declared for mode in modes])

    @settings(
        max_examples=GENERATED,
        deadline=None,
        database=None,
        derandomize="SCHEMATHESIS_EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=generated)
    def send(case: Any) -> None:
        secret = api_key if {"api_key": []} in case.operation.definition.raw["security"] else org_token.secret
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {secret}"}
        if "env" in (case.path_parameters or {}):
            case.path_parameters["env"] = "all"
        case.validate_response(case.call(), checks=CHECKS)

    send()
