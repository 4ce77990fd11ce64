"""Deployments in the OpenAPI document: the two calls that BigPanda's clients make of them (docs/wire-contract.md §8.5)."""

from __future__ import annotations

from typing import Any

JSONDict = dict[str, Any]
_TEXT = {"type": "string", "maxLength": 2048}
_TRIPLE: JSONDict = {
    "component": _TEXT | {"minLength": 1, "description": "What is rolled out."},
    "version": _TEXT | {"minLength": 1, "description": "Which version of it."},
    "hosts": {
        "description": "Where. With `component` and `version` it is what an end is matched to its start by.",
        "type": "array",
        "minItems": 1,
        "maxItems": 1000,
        "items": _TEXT | {"minLength": 1},
    },
    "timestamp": {
        "description": "When, in Unix seconds; the time of receipt by default.",
        "type": "integer",
        "minimum": 0,
    },
}


def _schema(**more: JSONDict) -> JSONDict:
    return {"type": "object", "required": ["component", "version", "hosts"], "properties": {**_TRIPLE, **more}}


SCHEMAS: JSONDict = {
    "DeploymentStart": _schema(
        owner=_TEXT | {"description": "Who is responsible."},
        description=_TEXT,
        source=_TEXT | {"description": "What told of it; `source_system` is taken too."},
        env=_TEXT | {"description": "Which environment it goes to, as `stage`."},
        properties={"description": "Names and values of your own.", "type": "object", "additionalProperties": _TEXT},
    ),
    "DeploymentEnd": _schema(
        status={"description": "How it went; `success` by default.", "type": "string", "enum": ["success", "failure"]},
        errorMessage=_TEXT | {"description": "What went wrong."},
    ),
}


def _operation(name: str, summary: str, schema: str) -> JSONDict:
    created = {
        "type": "object",
        "properties": {"response": {"type": "object", "properties": {"status": {"const": "created"}}}},
    }
    refusals = {
        "400": "A field is missing or wrong; the message names it.",
        "401": "No org token, or one that is not known.",
    }
    errors = {
        status: {
            "description": about,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for status, about in refusals.items()
    }
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["Deployments"],
        "security": [{"bearer": []}, {"access_token": []}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
        },
        "responses": {
            "200": {"description": "Taken.", "content": {"application/json": {"schema": created}}},
            **errors,
        },
    }


PATHS: JSONDict = {
    "/data/events/deployments/start": {
        "post": _operation("startDeployment", "A deployment begins; no App Key is needed", "DeploymentStart")
    },
    "/data/events/deployments/end": {
        "post": _operation("endDeployment", "The matching deployment in progress ends", "DeploymentEnd")
    },
}
