"""Correlation patterns and the reasons of correlation, as a part of the one OpenAPI document (bigpanda_site.openapi).

Limits and names come from the code that enforces them.
"""

from __future__ import annotations

from typing import Any

from bpql.grammar import LENGTH_LIMIT
from incidents.correlation.decide import VERDICTS
from incidents.patterns import changes
from incidents.patterns.transfer import IMPORT_LIMIT

JSONDict = dict[str, Any]
PATTERNS = "Correlation patterns"
TAGS = (
    {"name": PATTERNS, "description": "The rules by which alerts become incidents."},
    {"name": "Why", "description": "Why an alert is in its incident, and why not in another."},
)
_PATTERN = {"$ref": "#/components/schemas/Pattern"}
_DRAFT = {"$ref": "#/components/schemas/PatternDraft"}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
_ORDER: JSONDict = {
    "type": "object",
    "required": ["execution_order"],
    "properties": {"execution_order": {"type": "array", "items": {"type": "string", "format": "uuid"}}},
}


def paths() -> JSONDict:
    one = "/resources/v2.0/correlation-patterns/{id}"
    partly = {**_draft(), "required": []}
    return {
        "/resources/v2.0/correlation-patterns": {
            "get": operation(
                "listPatterns",
                "List the patterns in the order in which they are asked",
                list_of(_PATTERN),
                parameters=[{"name": "active", "in": "query", "schema": {"type": "boolean"}}],
            ),
            "post": operation(
                "createPattern",
                f"Create a pattern; or bring in a list of up to {IMPORT_LIMIT}, all of it or nothing",
                {"oneOf": [_PATTERN, list_of(_PATTERN)]},
                body={"oneOf": [_DRAFT, list_of(_DRAFT)]},
            ),
        },
        one: {
            "get": operation("getPattern", "Read a pattern", _PATTERN, parameters=[_ID]),
            "patch": operation(
                "changePattern",
                "Change a pattern: a new version, which touches new incidents only",
                _PATTERN,
                body=partly,
                parameters=[_ID],
            ),
            "delete": operation(
                "deletePattern",
                "Delete a pattern; answers with it as it was. It can be restored in the browser",
                _PATTERN,
                parameters=[_ID],
            ),
        },
        "/resources/v2.1/correlation-patterns-order": {
            "get": operation("getPatternsOrder", "Read the order", _ORDER),
            "put": operation("setPatternsOrder", "Set the order; each pattern is named once", _ORDER, body=_ORDER),
        },
        "/resources/v2.1/correlation-patterns-order/reset": {
            "post": operation("resetPatternsOrder", "Back to the longest window first", _ORDER)
        },
        "/resources/v2.0/alerts/{id}/why": {
            "get": operation(
                "whyAlert",
                "Why an alert is in its incident: what each pattern said of it",
                {"$ref": "#/components/schemas/Why"},
                tag="Why",
                parameters=[{**_ID, "schema": {"type": "integer"}}],
            )
        },
        "/resources/v2.0/why-not": {
            "get": operation(
                "whyNot",
                "Why an alert is not in an incident, or not with another alert",
                {"$ref": "#/components/schemas/WhyNot"},
                tag="Why",
                parameters=[
                    {"name": "alert", "in": "query", "required": True, "schema": {"type": "string"}},
                    {
                        "name": "other",
                        "in": "query",
                        "required": True,
                        "description": "An incident's number, or another alert's.",
                        "schema": {"type": "string"},
                    },
                ],
            )
        },
    }


def schemas() -> JSONDict:
    said = {"type": "integer", "description": "In seconds since 1970."}
    text = {"type": "string"}
    nullable = {"type": ["string", "null"]}
    reason = {
        "pattern": text,
        "version": {"type": "integer"},
        "verdict": {"type": "string", "enum": list(VERDICTS)},
        "sentence": text,
        "incident": {"type": ["integer", "null"]},
        "window_from": nullable,
        "window_until": nullable,
    }
    compared = {"name": text, "alert": nullable, "incident": nullable}
    verdict = reason | {
        "tags": list_of({"type": "object", "properties": compared}),
        "minutes_outside": {"type": ["integer", "null"]},
    }
    return {
        "PatternDraft": _draft(),
        "Pattern": {
            "type": "object",
            "properties": _draft()["properties"]
            | {
                "id": {"type": "string", "format": "uuid"},
                "correlation_id": {"type": "string", "format": "uuid", "description": "The same as `id`."},
                "version": {"type": "integer"},
                "execution_order": {"type": "integer", "description": "Its place in the order, from 1."},
                "created_at": said,
                "created_by": nullable,
                "updated_at": said,
                "updated_by": nullable,
                "suggested_at": {"type": ["integer", "null"]},
            },
        },
        "Why": {
            "type": "object",
            "properties": {
                "alert": text,
                "incident": {"type": ["integer", "null"]},
                "started_at": text,
                "headline": text,
                "reasons": list_of({"type": "object", "properties": reason}),
            },
        },
        "WhyNot": {
            "type": "object",
            "properties": {
                "alert": text,
                "alert_incident": {"type": ["integer", "null"]},
                "incident": {"type": "integer"},
                "together": {"type": "boolean"},
                "turned": {
                    "type": "boolean",
                    "description": "The incident asked about came later: `alert` is one of its own, `incident` the one that was there first.",
                },
                "headline": text,
                "patterns": list_of({"type": "object", "properties": verdict}),
            },
        },
        "Refusal": {
            "type": "object",
            "properties": {
                "status": {"type": "integer"},
                "errors": list_of(text),
                "error": text,
                "response": {"type": "object", "properties": {"status": text, "errors": list_of(text)}},
            },
        },
    }


def _draft() -> JSONDict:
    return {
        "type": "object",
        "required": ["tags", "time_window"],
        "properties": {
            "tags": {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": changes.TAG_LENGTH},
                "minItems": 1,
                "maxItems": changes.TAGS_LIMIT,
                "uniqueItems": True,
                "description": "Alerts belong together when they have the same values of all of them.",
            },
            "time_window": {
                "type": "integer",
                "minimum": changes.WINDOW[0],
                "maximum": changes.WINDOW[-1],
                "description": "Minutes around the start of the incident's first alert.",
            },
            "filter": {
                "type": ["string", "object"],
                "maxLength": LENGTH_LIMIT,
                "description": "BPQL, as text or in its object form; the alerts it looks at, sources included. Empty: all.",
            },
            "cross_source": {
                "type": "boolean",
                "default": True,
                "description": "Alerts of different source systems may join each other.",
            },
            "active": {"type": "boolean", "default": True},
            "note": {"type": "string", "maxLength": changes.NOTE_LENGTH},
        },
    }


def list_of(items: JSONDict) -> JSONDict:
    return {"type": "array", "items": items}


def operation(
    name: str,
    summary: str,
    answer: JSONDict,
    *,
    tag: str = PATTERNS,
    body: JSONDict | None = None,
    parameters: list[JSONDict] | None = None,
    status: str = "200",
) -> JSONDict:
    """`answer` is the schema of what is answered; empty where nothing is."""
    refusals = {
        "400": "What is wrong, by field.",
        "401": "No valid personal API key.",
        "403": "The role does not open this.",
        "404": "There is no such thing.",
    }
    if tag == PATTERNS:
        refusals["429"] = (
            "More requests for patterns than one may send in a second, 5 by default; Retry-After says when again."
        )
    described: JSONDict = {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "security": [{"api_key": []}],
        "responses": {
            status: {
                "description": "Done.",
                **({"content": {"application/json": {"schema": answer}}} if answer else {}),
            }
        }
        | {
            status: {
                "description": meaning,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
            }
            for status, meaning in refusals.items()
        },
    }
    if body:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return described | ({"parameters": parameters} if parameters else {})
