"""The page that documents the Alerts API for signed-in people."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from alerts.api.openapi import alerts as openapi
from alerts.api.openapi.examples import EXAMPLES, PATH, Example, JSONDict
from people.access import SignedInRequest

WORDS = {"string": "text", "integer": "number", "number": "number", "boolean": "true or false", "array": "list"}


@require_safe
def page(request: SignedInRequest) -> HttpResponse:
    server = _server(request)
    described = openapi.document(server)
    components = described["components"]
    context = {
        "url": server + PATH,
        "alias": openapi.ALIAS,
        "about": _marked(described["info"]["description"]),
        "about_batches": _marked(components["requestBodies"]["Alerts"]["description"]),
        "ways_in": [
            {"command": Shown(example, server).command, "about": _marked(scheme["description"])}
            for scheme, example in zip(components["securitySchemes"].values(), _first_examples(), strict=True)
        ],
        "parameters": _parameters(list(components["parameters"].values())),
        "fields": _fields(components["schemas"]["Alert"]),
        "replies": [
            {
                "status": HTTPStatus(int(status)),
                "about": _marked(reply["description"]),
                "headers": list(reply.get("headers", {})),
            }
            for status, reply in components["responses"].items()
        ],
        "examples": [Shown(example, server) for example in EXAMPLES],
    }
    return render(request, "alerts/api.html", context)


def _server(request: SignedInRequest) -> str:
    return request.build_absolute_uri("/").rstrip("/")


def _first_examples() -> tuple[Example, Example]:
    """Return the simplest example for each way to send the org token."""
    named = {example.name: example for example in EXAMPLES}
    return named["critical"], named["secrets-in-the-url"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An example in the form that the page shows."""

    example: Example
    server: str

    @property
    def after(self) -> str:
        return next((each.summary for each in EXAMPLES if each.name == self.example.after), "")

    @property
    def command(self) -> str:
        """A shell command with the variables TOKEN and APP_KEY; empty for a request that is too large to show."""
        example = self.example
        if example.body is None and example.method == "POST":
            return ""
        parts = [f'curl -i "{_with_variables(self.server + example.path + example.query)}"']
        if example.method != "POST":
            parts[0] = f"curl -i -X {example.method} {parts[0].removeprefix('curl -i ')}"
        parts += [f'-H "{name}: {_with_variables(value)}"' for name, value in example.headers.items()]
        if example.body is not None:
            # The shell expands nothing in single quotes, so the variable stands outside of them.
            quoted = shlex.quote(json.dumps(example.body, indent=2, ensure_ascii=False))
            parts += ["-H 'Content-Type: application/json'", "-d " + quoted.replace('"APP_KEY"', '"\'"$APP_KEY"\'"')]
        return " \\\n  ".join(parts)

    @property
    def reply(self) -> str:
        status = self.example.status
        lines = [f"{int(status)} {status.phrase}"]
        lines += [f"{name}: {value}" for name, value in self.example.reply_headers.items()]
        if self.example.reply is not None:
            lines += ["", json.dumps(self.example.reply, indent=2, ensure_ascii=False)]
        return "\n".join(lines)


def _with_variables(text: str) -> str:
    return text.replace("ORG_TOKEN", "$TOKEN").replace("APP_KEY", "$APP_KEY")


def _parameters(parameters: list[JSONDict]) -> list[dict[str, Any]]:
    """Return rows of parameters. Parameters with the same description share a row."""
    rows: dict[tuple[str, str], list[str]] = {}
    for each in parameters:
        rows.setdefault((each["in"], each["description"]), []).append(each["name"])
    return [{"names": names, "in": place, "about": _marked(about)} for (place, about), names in rows.items()]


def _fields(alert: JSONDict) -> list[dict[str, Any]]:
    """Return rows of fields of an alert. Neighbors with the same schema share a row."""
    rows: list[dict[str, Any]] = []
    for name, schema in [*alert["properties"].items(), ("anything else", alert["additionalProperties"])]:
        if rows and rows[-1]["schema"] == schema:
            rows[-1]["names"].append(name)
        else:
            about = _marked(schema["description"])
            rows.append({"names": [name], "schema": schema, "type": _type(schema), "about": about})
    return rows


def _type(schema: JSONDict) -> str:
    kinds = [kind for each in schema.get("anyOf", [schema]) for kind in _listed(each["type"])]
    return ", ".join(dict.fromkeys(WORDS[kind] for kind in kinds if kind != "null"))


def _listed(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


def _marked(text: str) -> SafeString:
    """Mark text between backticks as code."""
    parts = enumerate(text.split("`"))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", part) if place % 2 else part,) for place, part in parts)
    )
