"""A test client that holds each exchange with an API against the OpenAPI document."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import jsonschema_rs
from django.test import Client

from bigpanda_site.openapi import document

JSON = "application/json"


class DescribedClient(Client):
    """A client that asserts that each reply, and each body that was accepted, is as the document says."""

    def generic(self, *args: Any, **options: Any) -> Any:
        reply = super().generic(*args, **options)
        method, _, data = (*args, options.get("data", ""))[:3]
        route = described_path(reply.resolver_match.route)
        described = whole()["paths"].get(route, {}).get(method.lower())
        if described is None:
            assert reply.status_code in (404, 405, 501), f"{method} {route} is not described"
            return reply
        _hold_reply(described, reply)
        if reply.status_code < 300:
            asked = {each["name"] for each in map(resolved, described.get("parameters", ())) if each["in"] == "query"}
            assert set(reply.wsgi_request.GET) <= {*asked, "access_token", "app_key"}
            shape = resolved(described.get("requestBody", {})).get("content", {}).get(JSON)
            if data and shape and reply.wsgi_request.content_type == JSON:
                conform(whole(), shape["schema"], json.loads(data), f"the body of {described['operationId']}")
        return reply


def _hold_reply(described: Any, reply: Any) -> None:
    name, answers = described["operationId"], described["responses"]
    assert str(reply.status_code) in answers, f"{name} is not described to answer {reply.status_code}"
    answer = resolved(answers[str(reply.status_code)])
    told = answer.get("content", {}).get(JSON, {}).get("schema")
    assert bool(told) == bool(reply.content), f"{name}: {reply.content!r}"
    if told:
        conform(closed(), told, reply.json(), f"the reply of {name}")
    assert {header for header, each in answer.get("headers", {}).items() if each.get("required")} <= set(reply.headers)


def described_path(route: str) -> str:
    """Return a route of the URL map as the document names it."""
    path = re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", route.removeprefix("^").removesuffix("$"))
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path).replace("{pk}", "{id}")


@cache
def whole() -> Any:
    return document("http://testserver")


@cache
def closed() -> Any:
    """Return the document with objects that have no other properties than those described."""
    return _closed(whole())


def _closed(part: Any) -> Any:
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    shut = {"additionalProperties": False} if isinstance(part.get("properties"), dict) else {}
    return shut | {name: _closed(each) for name, each in part.items()}


def resolved(part: Any) -> Any:
    """Return a part of the document behind its reference."""
    if "$ref" not in part:
        return part
    found = whole()
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def conform(root: Any, schema: Any, value: Any, what: str) -> None:
    validator = jsonschema_rs.validator_for({**schema, "components": root["components"]})
    errors = [f"{'/'.join(map(str, each.instance_path))}: {each.message}" for each in validator.iter_errors(value)]
    assert errors == [], f"{what}: {errors}"
