"""Tests of the OpenAPI document, which describes every operation of the URL map and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.test import Client
from django.urls import URLPattern, get_resolver
from rest_framework.views import APIView

from alerts.api.alerts import is_for_senders
from people.models import User
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
    from bigpanda_site.operation_schema import described_operations

    described_operations()
    assert capsys.readouterr().err == ""
