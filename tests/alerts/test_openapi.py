"""Tests of the document of the Alerts API: its examples, requests that schemathesis generates, and the page /api.

`SCHEMATHESIS_EXAMPLES=5000` plays a longer run than the usual one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from html import unescape
from itertools import pairwise
from typing import Any, cast

import pytest
import schemathesis
from django.db import OperationalError, connection
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from alerts.api.openapi.alerts import ALIAS, document
from alerts.api.openapi.examples import EXAMPLES, PATH, Example
from alerts.payload import LIMIT
from alerts.sources import bigpanda
from bigpanda_site.wsgi import application
from people.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
GENERATED = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "100"))
BY_NAME = {example.name: example for example in EXAMPLES}


@pytest.fixture
def secrets(org_token: Any, app_key: Any) -> dict[str, str]:
    return {"ORG_TOKEN": org_token.secret, "APP_KEY": app_key.secret}


# --- The document


def test_the_document_is_valid_openapi() -> None:
    cast(Any, schemathesis.openapi.from_dict(document("http://localhost"))).validate()


def test_the_document_names_every_example_once_and_each_has_its_reply() -> None:
    components = document()["components"]
    requests = components["requestBodies"]["Alerts"]["content"]["application/json"]["examples"]
    replies = {
        name: int(status)
        for status, reply in components["responses"].items()
        for name in reply.get("content", {}).get("application/json", {}).get("examples", {})
    }
    assert len(BY_NAME) == len(EXAMPLES)
    assert set(requests) == {each.name for each in EXAMPLES if each.body is not None}
    assert replies == {each.name: int(each.status) for each in EXAMPLES if each.reply is not None}
    assert {int(status) for status in components["responses"]} == {int(each.status) for each in EXAMPLES}


def test_the_document_names_every_field_and_limit_of_the_code() -> None:
    alert = document()["components"]["schemas"]["Alert"]
    fields = {*bigpanda.STRUCTURE, *bigpanda.PRIMARY, *bigpanda.SECONDARY, "description"} - {"seconday_property"}
    assert fields <= set(alert["properties"])
    assert set(alert["properties"]["status"]["enum"]) == set(bigpanda.STATUSES)
    assert alert["properties"]["description"]["anyOf"][0]["maxLength"] == bigpanda.DESCRIPTION_LIMIT
    told = alert["additionalProperties"]["description"]
    for limit in (bigpanda.VALUE_LIMIT, bigpanda.ITEMS_LIMIT, bigpanda.NAME_LIMIT, bigpanda.TAGS_LIMIT):
        assert str(limit) in told


# --- The examples


def filled_in(value: Any, secrets: dict[str, str]) -> Any:
    """Return a value of an example with real secrets instead of their names."""
    return json.loads(re.sub("ORG_TOKEN|APP_KEY", lambda found: secrets[found[0]], json.dumps(value)))


def play(example: Example, secrets: dict[str, str]) -> Any:
    body = b" " * (LIMIT + 1) if example.name == "too-large" else json.dumps(filled_in(example.body, secrets)).encode()
    return Client(headers=filled_in(dict(example.headers), secrets)).generic(
        example.method, filled_in(example.path + example.query, secrets), body, content_type="application/json"
    )


def a_thousand_sent(secrets: dict[str, str], settings: Any) -> AbstractContextManager[Any]:
    settings.EVENTS_PER_MINUTE = 600
    clock, now = pytest.MonkeyPatch(), time.monotonic()
    clock.setattr("time.monotonic", lambda: now)
    alerts = [{"status": "critical", "host": f"web-{number}"} for number in range(1000)]
    sent = Client(headers={"Authorization": f"Bearer {secrets['ORG_TOKEN']}"}).post(
        PATH, {"app_key": secrets["APP_KEY"], "alerts": alerts}, content_type="application/json"
    )
    assert sent.status_code == 201
    return cast(AbstractContextManager[Any], _Ending(clock.undo))


class _Ending:
    """A context that undoes the circumstances of an example at its end."""

    def __init__(self, end: Callable[[], None]) -> None:
        self.end = end

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.end()


def database_away(secrets: dict[str, str], settings: Any) -> AbstractContextManager[Any]:
    def refuse(*_: Any) -> None:
        raise OperationalError("connection refused")

    return connection.execute_wrapper(refuse)


def test_every_circumstance_that_an_example_tells_of_is_made_by_a_test() -> None:
    assert {each.name for each in EXAMPLES if each.given} == {*CIRCUMSTANCES, "too-large"}


CIRCUMSTANCES = {"too-many-events": a_thousand_sent, "database-away": database_away}


@pytest.mark.parametrize("name", BY_NAME)
def test_each_example_is_answered_as_documented(name: str, secrets: dict[str, str], settings: Any) -> None:
    example = BY_NAME[name]
    if example.after:
        before = BY_NAME[example.after]
        assert play(before, secrets).status_code == before.status
    given_that = CIRCUMSTANCES[name](secrets, settings) if name in CIRCUMSTANCES else nullcontext()
    with given_that:
        reply = play(example, secrets)
    assert reply.status_code == example.status, reply.content
    assert (json.loads(reply.content) if reply.content else None) == example.reply
    if example.reply is not None:
        assert reply.headers["Content-Type"] == "application/json"
    assert {header: reply.headers.get(header) for header in example.reply_headers} == example.reply_headers


@pytest.mark.parametrize(
    "name", [each.name for each in EXAMPLES if each.path == PATH and each.name not in CIRCUMSTANCES]
)
def test_the_alias_answers_as_the_path_itself(name: str, secrets: dict[str, str]) -> None:
    example = BY_NAME[name]
    if example.after:
        play(BY_NAME[example.after], secrets)
    reply = play(replace(example, path=ALIAS), secrets)
    assert reply.status_code == example.status
    assert (json.loads(reply.content) if reply.content else None) == example.reply


# --- Generated requests

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture
def generated() -> Any:
    """Return generated requests of both paths: requests that the document allows, and requests that it does not allow."""
    schema: Any = schemathesis.openapi.from_dict(document("http://localhost"))
    schema.app = application
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    return st.one_of([schema[path]["POST"].as_strategy(mode) for path in (PATH, ALIAS) for mode in modes])


def without_app_keys(body: Any) -> Any:
    """Return a copy of a body without App Keys, because the URL names the App Key."""
    if isinstance(body, list):
        return [without_app_keys(each) for each in body]
    if isinstance(body, dict):
        kept = {name: each for name, each in body.items() if name != "app_key"}
        return kept | ({"alerts": without_app_keys(kept["alerts"])} if "alerts" in kept else {})
    return body


@pytest.mark.django_db(transaction=True)  # the WSGI handler closes its connection after each request
def test_whatever_the_document_lets_expect_the_replies_conform_to_it(generated: Any, secrets: dict[str, str]) -> None:
    statuses: Counter[int] = Counter()
    often = st.sampled_from([True] * 9 + [False])  # without a token and a known App Key all would be refused

    @settings(
        max_examples=GENERATED,
        deadline=None,
        database=None,
        derandomize="SCHEMATHESIS_EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=generated, is_let_in=often, is_known=often)
    def played(case: Any, is_let_in: bool, is_known: bool) -> None:
        if is_let_in:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {secrets['ORG_TOKEN']}"}
        if is_known:
            case.query = {**(case.query or {}), "app_key": secrets["APP_KEY"]}
            case.body = without_app_keys(case.body)
        reply = case.call()
        case.validate_response(reply, checks=CHECKS)
        statuses[reply.status_code] += 1

    played()
    print(f"{sum(statuses.values())} requests: {dict(sorted(statuses.items()))}")
    assert {201, 400, 401} <= set(statuses)


# --- The page


@pytest.fixture
def page(viewer: User) -> str:
    client = Client()
    client.force_login(viewer)
    reply = client.get("/api")
    assert reply.status_code == 200
    return reply.content.decode()


@pytest.mark.parametrize("path", ["/api", "/api/openapi.json"])
def test_page_and_document_are_for_people_who_are_signed_in(path: str) -> None:
    reply = Client().get(path)
    assert (reply.status_code, reply.headers["Location"]) == (302, f"/login?next={path}")


def test_the_document_is_served_with_the_address_of_this_console(viewer: User) -> None:
    client = Client()
    client.force_login(viewer)
    reply = client.get("/api/openapi.json")
    assert reply.headers["Content-Type"] == "application/json"
    served, described = reply.json(), json.loads(json.dumps(document("http://testserver")))
    assert served["servers"] == described["servers"]
    assert {path: served["paths"][path] for path in described["paths"]} == described["paths"]


def test_the_page_shows_every_field_reply_and_example(page: str) -> None:
    components = document()["components"]
    for name in components["schemas"]["Alert"]["properties"]:
        assert f"<code>{name}</code>" in page
    for status in components["responses"]:
        assert f'<span class="api-code">{status}</span>' in page
    for example in EXAMPLES:
        assert f'id="example-{example.name}"' in page


def test_the_page_asks_nothing_of_another_host_and_holds_no_code_of_its_own(page: str) -> None:
    assert set(re.findall(r'(?:src|href)="(?!/|#)([^"]*)"', page)) == set()
    assert "<style" not in page
    assert " style=" not in page
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)


def test_each_command_of_the_page_pasted_into_a_shell_sends_what_its_example_says(
    page: str, secrets: dict[str, str]
) -> None:
    commands = dict(re.findall(r'<pre id="((?:way|request)-[\w-]+)"[^>]*>(.*?)</pre>', page, re.DOTALL))
    shown = {"way-header": "critical", "way-url": "secrets-in-the-url"}
    shown |= {f"request-{name}": name for name in BY_NAME if name != "too-large"}
    assert set(commands) == set(shown)
    for place, name in shown.items():
        example, words = BY_NAME[name], arguments(unescape(commands[place]), secrets)
        url = next(word for word in words if word.startswith("http"))
        assert url == "http://testserver" + filled_in(example.path + example.query, secrets)
        headers = dict(each.split(": ") for flag, each in pairwise(words) if flag == "-H")
        assert {**headers, "Content-Type": ""} == {**filled_in(dict(example.headers), secrets), "Content-Type": ""}
        if example.body is not None:
            assert json.loads(words[words.index("-d") + 1]) == filled_in(example.body, secrets)


def arguments(command: str, secrets: dict[str, str]) -> list[str]:
    """Return the arguments that a shell reads from a command line."""
    script = command.replace("curl ", r"printf '%s\0' ", 1)
    shell = {"TOKEN": secrets["ORG_TOKEN"], "APP_KEY": secrets["APP_KEY"]}
    return subprocess.run(["sh", "-c", script], env=shell, capture_output=True, check=True, text=True).stdout.split(
        "\0"
    )
