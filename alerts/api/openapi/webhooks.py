"""The webhooks of tools, and the routes of PagerDuty and Opsgenie, as a part of the OpenAPI document (docs/wire-contract.md §2.1, §9.1)."""

from __future__ import annotations

from http import HTTPStatus

from alerts.api.openapi.examples import JSONDict
from alerts.sources import SOURCES
from alerts.sources.opsgenie import ACTIONS

JSON, FORM, MAIL = "application/json", "application/x-www-form-urlencoded", "message/rfc822"
ANY = {"type": ["object", "array"]}
SECURITY_SCHEMES: JSONDict = {
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The App Key as the user and the org token as the password.",
    },
    "genie_key": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "Both secrets where a tool has one field: `Authorization: GenieKey ORG_TOKEN:APP_KEY`.",
    },
    "routing_key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Routing-Key",
        "description": "Both secrets where a tool has one field: `ORG_TOKEN:APP_KEY`. "
        "The field `routing_key` of the body is read first.",
    },
}
SCHEMAS: JSONDict = {
    "WebhookAccepted": {
        "type": "object",
        "description": "At least one alert was accepted. It is in the database when this reply leaves.",
        "properties": {
            "status": {"const": 201},
            "data": {"type": "object", "maxProperties": 0},
            "response": {"type": "object", "properties": {"status": {"const": "success"}}, "required": ["status"]},
            "notes": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
            "rejected": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
            "notes_count": {"type": "integer", "description": "How many, if not all are listed."},
            "rejected_count": {"type": "integer", "description": "How many, if not all are listed."},
        },
        "required": ["status", "data", "response"],
    },
    "PagerDutyEvent": {
        "type": "object",
        "description": "As in PagerDuty's Events API v2.",
        "properties": {
            "routing_key": {"type": "string", "description": "`ORG_TOKEN:APP_KEY`, or the App Key alone."},
            "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
            "dedup_key": {"type": "string", "description": "Tells one alert from another. Required unless triggered."},
            "payload": {
                "type": "object",
                "description": "Required where triggered.",
                "properties": {
                    "summary": {"type": "string"},
                    "source": {"type": "string"},
                    "severity": {"type": "string"},
                    "timestamp": {"type": "string"},
                    "component": {"type": "string"},
                    "group": {"type": "string"},
                    "class": {"type": "string"},
                    "custom_details": {"type": "object"},
                },
            },
        },
        "required": ["event_action"],
    },
    "PagerDutyAccepted": {
        "type": "object",
        "properties": {
            "status": {"const": "success"},
            "message": {"const": "Event processed"},
            "dedup_key": {"type": "string"},
        },
        "required": ["status", "message", "dedup_key"],
    },
    "OpsgenieAlert": {
        "type": "object",
        "description": "As in Opsgenie's Alert API.",
        "properties": {
            "message": {"type": "string"},
            "alias": {"type": "string", "description": "Tells one alert from another; the message by default."},
            "description": {"type": "string"},
            "entity": {"type": "string"},
            "source": {"type": "string"},
            "priority": {"type": "string", "description": "P1 to P5."},
            "tags": {"type": "array", "items": {"type": "string"}},
            "details": {"type": "object"},
        },
        "required": ["message"],
    },
    "OpsgenieNote": {"type": "object", "properties": {"note": {"type": "string"}}},
    "OpsgenieAccepted": {
        "type": "object",
        "properties": {
            "result": {"const": "Request will be processed"},
            "took": {"type": "number"},
            "requestId": {"type": "string", "format": "uuid"},
        },
        "required": ["result", "took", "requestId"],
    },
}
_DUPLICATES = {"204": {"description": "Every alert was a duplicate. No body."}}


def paths() -> JSONDict:
    expected = "\n".join(f"- `{slug}`: {source.expects}" for slug, source in SOURCES.items())
    tool: JSONDict = {
        "name": "tool",
        "in": "path",
        "required": True,
        "schema": {"enum": [*SOURCES, "custom"]},
        "description": "What sends. A version may follow, as in `datadog_v2`. An App Key with a mapping takes any word "
        f"and any payload; another one takes:\n\n{expected}",
    }
    sent = {JSON: ANY, FORM: {"type": "object"}, MAIL: {"type": "string"}}
    webhook: JSONDict = {
        "parameters": [tool, {"$ref": "#/components/parameters/app_key"}],
        "security": ("bearer", "access_token", "basic", "genie_key"),
        "accepted": (HTTPStatus.CREATED, "WebhookAccepted"),
    }
    about = "Send what a tool sends"
    opsgenie: JSONDict = {
        "security": ("genie_key", "bearer", "access_token", "basic"),
        "accepted": (HTTPStatus.ACCEPTED, "OpsgenieAccepted"),
    }
    alias = {
        "name": "alias",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": "Of the alert, as it was created; it may have slashes.",
    }
    identifier = {
        "name": "identifierType",
        "in": "query",
        "schema": {"type": "string"},
        "description": "Not read: the alert is named by its alias.",
    }
    action = {"name": "action", "in": "path", "required": True, "schema": {"enum": list(ACTIONS)}}
    return {
        "/oim/{tool}/alerts": {"post": _operation("sendWebhook", about, sent, **webhook)},
        "/data/integrations/{tool}": {
            "post": _operation("sendWebhookAlias", f"{about}, under BigPanda's older path", sent, **webhook)
        },
        "/v2/enqueue": {
            "post": _operation(
                "sendPagerDutyEvent",
                "Send an event in the words of PagerDuty's Events API v2",
                {JSON: _ref("PagerDutyEvent")},
                security=("routing_key", "bearer", "access_token", "basic", "genie_key"),
                accepted=(HTTPStatus.ACCEPTED, "PagerDutyAccepted"),
            )
        },
        "/v2/alerts": {
            "post": _operation(
                "createOpsgenieAlert",
                "Create an alert in the words of Opsgenie's Alert API",
                {JSON: _ref("OpsgenieAlert")},
                **opsgenie,
            )
        },
        "/v2/alerts/{alias}/{action}": {
            "post": _operation(
                "changeOpsgenieAlert",
                "Close or acknowledge an alert in the words of Opsgenie's Alert API",
                {JSON: _ref("OpsgenieNote")},
                parameters=[alias, action, identifier],
                **opsgenie,
            )
        },
    }


def _operation(
    name: str,
    summary: str,
    sent: JSONDict,
    *,
    security: tuple[str, ...],
    accepted: tuple[HTTPStatus, str],
    parameters: list[JSONDict] | None = None,
) -> JSONDict:
    status, schema = accepted
    refused = "No alert could be taken: the payload is not what this sender sends. The messages say what was expected."
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["Webhooks"],
        "security": [{scheme: []} for scheme in security],
        "parameters": parameters or [{"$ref": "#/components/parameters/app_key"}],
        "requestBody": {"required": True, "content": {kind: {"schema": shape} for kind, shape in sent.items()}},
        "responses": {
            str(int(status)): {"description": "Taken.", "content": {JSON: {"schema": _ref(schema)}}},
            **(_DUPLICATES if status is HTTPStatus.CREATED else {}),
            "400": {"description": refused, "content": {JSON: {"schema": _ref("Error")}}},
            **{code: {"$ref": f"#/components/responses/{code}"} for code in ("401", "404", "413", "429", "503")},
        },
    }


def _ref(schema: str) -> JSONDict:
    return {"$ref": f"#/components/schemas/{schema}"}
