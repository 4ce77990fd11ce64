"""Maintenance plans, as a part of the one OpenAPI document (bigpanda_site.openapi). A test plays every example."""

from __future__ import annotations

from bpql.grammar import LENGTH_LIMIT
from incidents.api.maintenance import FREQUENCIES, SORTS
from incidents.api.openapi.patterns import JSONDict, list_of, operation
from incidents.models import MaintenancePlan

TAG = {
    "name": "Maintenance plans",
    "description": "Times in which certain alerts are expected. They are correlated as ever, and call nobody.",
}
EXAMPLES: JSONDict = {
    "condition-as-text": {
        "summary": "Alerts of some hosts, for an hour",
        "value": {
            "name": "Kernel upgrade of the databases",
            "condition": "host = db-* AND environment = production",
            "start": 1900000000,
            "end": 1900003600,
        },
    },
    "condition-as-object": {
        "summary": "The condition in its object form, and whatever else can be said",
        "value": {
            "name": "Move of rack 7",
            "condition": {"OR": [{"=": ["rack", "r7"]}, {"IN": ["host", ["switch-7a", "switch-7b"]]}]},
            "start": 1900000000,
            "end": 1900007200,
            "description": "Asked for by facilities",
            "frequency": "Once",
            "post_maintenance_action": "None",
            "time_zone": "Europe/Berlin",
        },
    },
}
REFUSED: JSONDict = {
    "repeating": {"value": {**EXAMPLES["condition-as-text"]["value"], "frequency": "Weekly"}},
    "ends-before-it-starts": {"value": {**EXAMPLES["condition-as-text"]["value"], "end": 1899999999}},
    "about-an-incident": {"value": {**EXAMPLES["condition-as-text"]["value"], "condition": "assignee = ada"}},
}
_PLAN = {"$ref": "#/components/schemas/MaintenancePlan"}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_KIND = "Maintenance plans"


def paths() -> JSONDict:
    plans, one = "/resources/v2.0/maintenance-plans", "/resources/v2.0/maintenance-plans/{id}"
    draft = _draft()
    create = operation("createMaintenancePlan", "Plan maintenance", _PLAN, tag=_KIND, body=draft, status="201")
    create["requestBody"]["content"]["application/json"]["examples"] = EXAMPLES
    return {
        plans: {
            "get": operation(
                "listMaintenancePlans",
                "List the plans, or those that run; answers 204 where there is none",
                list_of(_PLAN),
                tag=_KIND,
                parameters=[_asked("active", {"type": "boolean"})],
            ),
            "post": create,
        },
        one: {
            "get": operation("getMaintenancePlan", "Read a plan", _PLAN, tag=_KIND, parameters=[_ID]),
            "patch": operation(
                "changeMaintenancePlan",
                "Change a plan; of one that runs only its end",
                {},
                tag=_KIND,
                body={**draft, "required": []},
                parameters=[_ID],
                status="204",
            ),
            "delete": operation(
                "deleteMaintenancePlan",
                "Delete a plan, which expects nothing any more. It can be brought back in the browser",
                {},
                tag=_KIND,
                parameters=[_ID],
                status="204",
            ),
        },
        f"{one}/stop": {
            "post": operation(
                "stopMaintenancePlan", "End a plan that runs, now", {}, tag=_KIND, parameters=[_ID], status="204"
            )
        },
        "/resources/v2.0/ordered-maintenance-plans": {
            "get": operation(
                "searchMaintenancePlans",
                "Search the plans, sorted and in pages",
                list_of(_PLAN),
                tag=_KIND,
                parameters=[
                    _asked("sort_by", {"enum": list(SORTS), "default": "created_at"}),
                    _asked("order", {"enum": ["asc", "desc"], "default": "desc"}),
                    _asked("page", {"type": "integer", "minimum": 1, "default": 1}),
                    _asked("per_page", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
                    _asked("search_text", {"type": "string"}),
                    _asked("status", {"enum": MaintenancePlan.State.values}),
                    _asked("frequency", {"enum": list(FREQUENCIES)}),
                ],
            )
        },
    }


def schemas() -> JSONDict:
    said, who = {"type": "integer", "description": "In seconds since 1970."}, {"type": ["string", "null"]}
    by_us = {
        "id": {"type": "string"},
        "status": {"enum": MaintenancePlan.State.values},
        "maintenance_key": {"type": "string"},
        "created_at": said,
        "created_by": who,
        "updated_at": said,
        "updated_by": who,
    }
    properties = _draft()["properties"] | {"condition": {"type": "object"}} | by_us
    return {"MaintenancePlan": {"type": "object", "properties": properties}}


def _draft() -> JSONDict:
    moment = {"type": "integer", "description": "In seconds since 1970."}
    return {
        "type": "object",
        "required": ["name", "condition", "start", "end"],
        "properties": {
            "name": {"type": "string", "maxLength": 200},
            "condition": {
                "type": ["string", "object"],
                "maxLength": LENGTH_LIMIT,
                "description": "BPQL about an alert, as text or in its object form.",
            },
            "start": moment,
            "end": moment,
            "description": {"type": "string", "maxLength": 2000},
            "frequency": {"enum": ["Once"], "description": "Plans that repeat are not supported."},
            "frequency_data": {"type": "object", "maxProperties": 0},
            "post_maintenance_action": {
                "enum": ["None"],
                "description": "Alerts stay in maintenance until their next active update.",
            },
            "time_zone": {
                "type": "string",
                "description": "The name of a time zone; a plan that runs once has no use for it.",
            },
            "custom_tags": {"type": "array", "maxItems": 0, "description": "Not supported."},
        },
    }


def _asked(name: str, schema: JSONDict) -> JSONDict:
    return {"name": name, "in": "query", "schema": schema}
