"""The Alerts API as an OpenAPI 3.1 document, from which the page /api is made.

Limits and names come from the code that enforces them.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from alerts.api import alerts as alerts_api
from alerts.api import idempotency
from alerts.api.openapi.examples import EXAMPLES, MEGABYTES, PATH, JSONDict
from alerts.payload import LISTED
from alerts.sources import bigpanda
from appkeys.authentication import APP_KEY_HEADERS

ALIAS = "/oim/api/alerts"
JSON = "application/json"


# --- Fields


def _text(description: str, **rules: object) -> JSONDict:
    return {"type": "string", "description": description, **rules}


_VALUE: JSONDict = {"type": ["string", "number", "boolean", "null"], "maxLength": bigpanda.VALUE_LIMIT}
_CUT = f"What is longer than {bigpanda.VALUE_LIMIT} characters is cut, and noted."


def _tag(description: str, **rules: object) -> JSONDict:
    """Return the schema of a field that is also a tag of the alert."""
    of_list = {"type": "array", "items": _VALUE, "maxItems": bigpanda.ITEMS_LIMIT}
    return {"anyOf": [_VALUE | rules, of_list], "description": description}


def _fields() -> JSONDict:
    listed, seconds = (", ".join(names) for names in (bigpanda.PRIMARY, bigpanda.SECONDARY))
    words = ", ".join(word for word, status in bigpanda.STATUSES.items() if word == status.label)
    short = ", ".join(word for word, status in bigpanda.STATUSES.items() if word != status.label)
    primary = (
        f"Names the object. One of {listed} is required with a value, in this order, unless primary_property names "
        f"another tag. {_CUT}"
    )
    secondary = (
        "What is wrong with the object: with the primary property it tells one alert from another. "
        f"The first of {seconds} that has a value. {_CUT}"
    )
    return {
        "app_key": _text(
            "Required. Says which integration speaks: in each alert, or once beside `alerts`, or for the whole request "
            f"as the query parameter `app_key` or in one of the headers {', '.join(map(_title, APP_KEY_HEADERS))}. "
            "The App Key in the alert counts first, then the batch's, the query's, the header's."
        ),
        "status": _text(
            f"Required: {words}, in any case; also the short forms {short}. `ok` resolves the alert, every other status opens or reopens it. "
            "Another word is refused.",
            enum=list(bigpanda.STATUSES),
        ),
        **{name: _tag(primary) for name in bigpanda.PRIMARY},
        **{name: _tag(secondary) for name in bigpanda.SECONDARY},
        "timestamp": {
            "type": ["integer", "number", "string", "null"],
            "description": "When it happened: Unix seconds in UTC, also with a fraction; milliseconds (above 1e11); "
            "digits in a string; or RFC 3339, also with nanoseconds and offsets. "
            f"Without one, the time of receipt. A time that cannot be true (before {bigpanda.EARLIEST:%Y} or more than "
            f"{bigpanda.AHEAD.days * 24} hours ahead) is replaced by the time of receipt, and noted. "
            "The newest timestamp decides status and tags, in whatever order events arrive.",
        },
        "description": _tag(
            f"What happened, for people. What is longer than {bigpanda.DESCRIPTION_LIMIT} characters is cut, and noted.",
            maxLength=bigpanda.DESCRIPTION_LIMIT,
        ),
        "cluster": _tag(f"A tag like any other, which senders use to say what belongs together. {_CUT}"),
        "incident_identifier": {
            "type": ["string", "number", "null"],
            "maxLength": bigpanda.VALUE_LIMIT,
            "description": "Tells this alert from others instead of its primary and secondary property. Counts within one App Key.",
        },
        "primary_property": {
            "type": ["string", "null"],
            "maxLength": bigpanda.VALUE_LIMIT,
            "description": "The name of the tag that names the object. One that is not among the tags sent is noted, and the default used.",
        },
        "secondary_property": {
            "type": ["string", "null"],
            "maxLength": bigpanda.VALUE_LIMIT,
            "description": "The name of the tag that says what is wrong with the object. `seconday_property`, from an old example, is read too.",
        },
    }


def _title(header: str) -> str:
    return "-".join("BP" if part == "bp" else part.title() for part in header.split("-"))


def _schemas() -> JSONDict:
    message = {"type": "string", "minLength": 1}
    return {
        "Alert": {
            "type": "object",
            "description": "What is known of one object at one time.",
            "properties": _fields(),
            "required": ["status"],
            "anyOf": [{"required": [name]} for name in (*bigpanda.PRIMARY, "primary_property")],
            "additionalProperties": _tag(
                f"Any other field becomes a tag of its name: text, number, boolean or a list of these. "
                f"Empty text stays, null is left out. Values: {bigpanda.VALUE_LIMIT} characters each; "
                f"lists: {bigpanda.ITEMS_LIMIT} items; names: {bigpanda.NAME_LIMIT} characters; one alert: {bigpanda.TAGS_LIMIT} tags. "
                "Nested objects, and numbers that are not finite, are dropped. Whatever is dropped or cut is noted. "
                "A value that is an http or https address is shown as a button.",
            ),
        },
        "Batch": {
            "type": "object",
            "description": "Alerts under one App Key, judged one by one. Those without timestamps apply in their order.",
            "properties": {
                "app_key": _text("The App Key of all alerts that name none."),
                "alerts": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"$ref": "#/components/schemas/Alert"},
                    "description": f"At least one alert; the number is limited only by the {MEGABYTES} MB of a payload.",
                },
            },
            "required": ["alerts"],
        },
        "Finding": {
            "type": "object",
            "description": "Something about one alert of the request, and the rule it met.",
            "properties": {
                "index": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "The alert's place in the batch; 0 for a single alert.",
                },
                "field": {"type": "string"},
                "rule": message,
            },
            "required": ["index", "field", "rule"],
            "additionalProperties": False,
        },
        "Accepted": {
            "type": "object",
            "description": "At least one alert was accepted. It is in the database when this reply leaves.",
            "properties": {
                "response": {
                    "type": "object",
                    "properties": {"status": {"const": alerts_api.SUCCESS["response"]["status"]}},
                    "required": ["status"],
                    "additionalProperties": False,
                },
                "notes": _findings(
                    "What was repaired, and how. The same stands on the alert and on the integration's page."
                ),
                "rejected": _findings("The alerts that could not be taken. The others were."),
                **_COUNTS,
            },
            "required": ["response"],
            "additionalProperties": False,
        },
        "Error": {
            "type": "object",
            "description": "Every refusal, in all shapes that known senders read: the message stands in each of them.",
            "properties": {
                "status": {"type": "integer", "description": "The status of the reply."},
                "errors": {"type": "array", "items": message, "minItems": 1, "description": "Every message."},
                "error": message | {"description": "The first message."},
                "response": {
                    "type": "object",
                    "description": "The oldest shape of the same.",
                    "properties": {"status": message, "errors": {"type": "array", "items": message, "minItems": 1}},
                    "required": ["status", "errors"],
                    "additionalProperties": False,
                },
                "rejected": _findings("The alerts that could not be taken."),
                **_COUNTS,
            },
            "required": ["status", "errors", "error", "response"],
            "additionalProperties": False,
        },
    }


def _findings(description: str) -> JSONDict:
    return {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Finding"},
        "minItems": 1,
        "maxItems": LISTED,
        "description": description,
    }


_COUNTS: JSONDict = {
    f"{name}_count": {
        "type": "integer",
        "minimum": LISTED + 1,
        "description": f"How many `{name}` there are, if more than the {LISTED} that are listed.",
    }
    for name in ("rejected", "notes")
}


# --- Replies

_SECONDS = {"type": "integer", "minimum": 0}
_REPLAYED = {
    "Idempotent-Replayed": {
        "description": "Stands where the request was sent before under its Idempotency-Key.",
        "schema": {"const": "true"},
    }
}
_HEADERS: Mapping[HTTPStatus, JSONDict] = {
    HTTPStatus.CREATED: _REPLAYED,
    HTTPStatus.NO_CONTENT: _REPLAYED,
    HTTPStatus.UNAUTHORIZED: {
        "WWW-Authenticate": {
            "description": "How to send a token.",
            "required": True,
            "schema": {"const": 'Bearer realm="alerts"'},
        }
    },
    HTTPStatus.TOO_MANY_REQUESTS: {
        "Retry-After": {"description": "Seconds until the next minute.", "required": True, "schema": _SECONDS},
        "RateLimit-Limit": {"description": "Events in a minute.", "required": True, "schema": _SECONDS},
        "RateLimit-Remaining": {"description": "Always 0 here.", "required": True, "schema": _SECONDS},
        "RateLimit-Reset": {"description": "As Retry-After.", "required": True, "schema": _SECONDS},
    },
    HTTPStatus.SERVICE_UNAVAILABLE: {
        "Retry-After": {"description": "Seconds to wait.", "required": True, "schema": _SECONDS}
    },
}
_MEANINGS: Mapping[HTTPStatus, str] = {
    HTTPStatus.CREATED: "At least one alert was accepted, and is stored. `notes` tells what was repaired, `rejected` which alerts were not taken.",
    HTTPStatus.NO_CONTENT: "Every alert was a duplicate: the same identity, timestamp and content as an event that is stored already. No body.",
    HTTPStatus.BAD_REQUEST: "No alert could be taken: the payload cannot be read, or `rejected` tells what is wrong with each alert.",
    HTTPStatus.UNAUTHORIZED: "The org token is missing, unknown or revoked.",
    HTTPStatus.NOT_FOUND: "The path is none of this API.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"The payload has more than {MEGABYTES} MB, as sent or as unpacked. Nothing was taken.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The Idempotency-Key was sent before with another payload. Nothing was taken.",
    HTTPStatus.TOO_MANY_REQUESTS: "The integration sent more events in a minute than the setting CONSOLE_EVENTS_PER_MINUTE allows. "
    "Nothing was taken.",
    HTTPStatus.NOT_IMPLEMENTED: "The verb is not POST.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database does not answer, or accepts no changes. Send the same again: what arrives twice is stored once.",
}


def _responses() -> JSONDict:
    return {str(int(status)): _response(status, meaning) for status, meaning in _MEANINGS.items()}


def _response(status: HTTPStatus, meaning: str) -> JSONDict:
    response: JSONDict = {"description": meaning}
    if headers := _HEADERS.get(status):
        response["headers"] = headers
    if status is not HTTPStatus.NO_CONTENT:
        schema = "Accepted" if status is HTTPStatus.CREATED else "Error"
        response["content"] = {
            JSON: {
                "schema": {"$ref": f"#/components/schemas/{schema}"},
                "examples": {example.name: example.answer for example in EXAMPLES if example.status == status},
            }
        }
    return response


# --- The document


def _parameters() -> JSONDict:
    secret = {"type": "string"}
    key = "The App Key of all alerts that name none."
    headers = {
        name: {"name": _title(name), "in": "header", "description": key, "schema": secret} for name in APP_KEY_HEADERS
    }
    return {
        "app_key": {"name": "app_key", "in": "query", "description": key, "schema": secret},
        **headers,
        "Idempotency-Key": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": f"A request that is sent again under the same key within {idempotency.KEPT_FOR.days * 24} hours is answered "
            f"as the first time, and does nothing more. At most {idempotency.KEY_LIMIT} characters. "
            "Only 201 and 204 are remembered: what was refused may be sent again.",
            "schema": {"type": "string", "maxLength": idempotency.KEY_LIMIT},
        },
        "Content-Encoding": {
            "name": "Content-Encoding",
            "in": "header",
            "description": f"`gzip` for a packed payload; at most {MEGABYTES} MB unpacked.",
            "schema": {"enum": ["identity", "gzip"]},
        },
    }


def _operation(name: str, summary: str) -> JSONDict:
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["Alerts"],
        "security": [{"bearer": []}, {"access_token": []}],
        "parameters": [{"$ref": f"#/components/parameters/{each}"} for each in _parameters()],
        "requestBody": {"$ref": "#/components/requestBodies/Alerts"},
        "responses": {status: {"$ref": f"#/components/responses/{status}"} for status in _responses()},
    }


def document(server: str = "/") -> JSONDict:
    """Return the document of the Alerts API. `server` is the address of this console."""
    schemas = _schemas()
    payload = [
        {"$ref": "#/components/schemas/Alert"},
        {"$ref": "#/components/schemas/Batch"},
        schemas["Batch"]["properties"]["alerts"] | {"description": "A batch without a frame."},
    ]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Alerts API",
            "version": "2.0",
            "summary": "Send alerts in BigPanda's format.",
            "description": "One alert, or a batch of them, as JSON in UTF-8, under any content type, at most "
            f"{MEGABYTES} MB, also packed with gzip. Accept headers are ignored: every reply is JSON. "
            "No alert is lost over a field that can be repaired: "
            "the reply says what was repaired. In the examples ORG_TOKEN and APP_KEY stand for the secrets.",
        },
        "servers": [{"url": server, "description": "This console"}],
        "tags": [{"name": "Alerts", "description": "What monitoring systems send."}],
        "paths": {
            PATH: {"post": _operation("sendAlerts", "Send one alert or a batch")},
            ALIAS: {
                "post": _operation("sendAlertsAlias", "The same, under the path of BigPanda's Open Integration Manager")
            },
        },
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An org token in a header: `Authorization: Bearer ORG_TOKEN`.",
                },
                "access_token": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "access_token",
                    "description": "An org token in the URL, for senders that cannot set headers: "
                    "`?access_token=ORG_TOKEN`. An `Authorization: Bearer` header counts first.",
                },
            },
            "parameters": _parameters(),
            "requestBodies": {
                "Alerts": {
                    "description": "An object with `alerts` and without `status` is a batch, and so is an array.",
                    "required": True,
                    "content": {
                        JSON: {
                            "schema": {"anyOf": payload},
                            "examples": {each.name: each.request for each in EXAMPLES if each.body is not None},
                        }
                    },
                }
            },
            "responses": _responses(),
            "schemas": schemas,
        },
    }
