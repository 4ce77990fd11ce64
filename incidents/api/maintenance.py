"""Maintenance plans under /resources, as BigPanda's API has them (docs/wire-contract.md §6.2): times in seconds, conditions as objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

import bpql
from alerts.api.alerts import error_response
from incidents.api.incident_data import seconds
from incidents.api.resource import NOTHING, PersonsResource, is_key
from incidents.maintenance import changes
from incidents.maintenance.changes import NotNow
from incidents.maintenance.forms import PlanForm
from incidents.models import MaintenancePlan
from people.api import number
from people.models import Area
from people.models.preferences import time_zones
from people.permissions import permits

WRITTEN_BY_US = ("id", "status", "maintenance_key", "created_at", "created_by", "updated_at", "updated_by")
OURS = {"start": "starts_at", "end": "ends_at"}  # our names of their fields, where they differ
ONCE, NO_ACTION, UTC_ZONE = "Once", "None", "UTC"
SORTS: dict[str, Callable[[MaintenancePlan], datetime]] = {
    "created_at": lambda plan: plan.created_at,
    "updated_at": lambda plan: plan.updated_at,
    "next_run": lambda plan: plan.starts_at,
}
FREQUENCIES = ("one-time", "recurring")


class _Resource(PersonsResource):
    permission_classes = (permits(Area.MAINTENANCE),)

    def find(self, key: str) -> MaintenancePlan:
        plan = MaintenancePlan.objects.kept().filter(pk=int(key)).first() if is_key(key) else None
        if plan is None:
            raise NotFound(f"There is no maintenance plan {key}.")
        return plan


class Plans(_Resource):
    def get(self, request: Request) -> Response:
        """A bare list, as its clients take it; where it would be empty, nothing."""
        wanted = _one_of(request, "active", "false", ("true", "false"))
        plans = [
            plan
            for plan in MaintenancePlan.objects.kept()
            if wanted == "false" or plan.state is MaintenancePlan.State.RUNNING
        ]
        return Response([as_data(plan) for plan in plans]) if plans else Response(status=NOTHING)

    def post(self, request: Request) -> Response:
        form = _valid(PlanForm(_as_form(self.sent(), {})))
        return Response(as_data(changes.create(form.draft, by=self.person)), status=HTTPStatus.CREATED)


class Plan(_Resource):
    def get(self, request: Request, key: str) -> Response:
        return Response(as_data(self.find(key)))

    def patch(self, request: Request, key: str) -> Response:
        """Of a planned one every field, of one that runs its end."""
        plan, sent = self.find(key), self.sent()
        known = as_data(plan)
        if plan.state is MaintenancePlan.State.DONE:
            raise ValidationError(["The plan is over: create another one."])
        if plan.state is MaintenancePlan.State.RUNNING:
            changed = [name for name in sent if name != "end" and sent[name] != known.get(name)]
            if changed:
                raise ValidationError(
                    {name: ["cannot be changed while the plan runs; its end can."] for name in changed}
                )
        form = _valid(PlanForm(_as_form(sent, known), instance=plan))
        changes.edit(plan, form.draft, by=self.person)
        return Response(status=NOTHING)

    def delete(self, request: Request, key: str) -> Response:
        changes.delete(self.find(key), by=self.person)
        return Response(status=NOTHING)


class Stop(_Resource):
    def post(self, request: Request, key: str) -> Response:
        try:
            changes.stop(self.find(key), by=self.person)
        except NotNow as refusal:
            return error_response(HTTPStatus.BAD_REQUEST, [str(refusal)])
        return Response(status=NOTHING)


class OrderedPlans(_Resource):
    """Searched, sorted and in pages."""

    def get(self, request: Request) -> Response:
        asked = request.query_params
        sort = _one_of(request, "sort_by", "created_at", SORTS)
        is_ascending = _one_of(request, "order", "desc", ("asc", "desc")) == "asc"
        state = _one_of(request, "status", "", MaintenancePlan.State.values)
        frequency = _one_of(request, "frequency", "", FREQUENCIES)
        words = asked.get("search_text", "").casefold()
        found = [
            plan
            for plan in MaintenancePlan.objects.kept()
            if words in f"{plan.name}\n{plan.description}".casefold() and state in ("", plan.state)
        ]
        found.sort(key=lambda plan: (SORTS[sort](plan), plan.pk), reverse=not is_ascending)
        page, size = number(request, "page", 1, 10_000), number(request, "per_page", 100, 1000)
        shown = [] if frequency == "recurring" else found[(page - 1) * size : page * size]
        return Response([as_data(plan) for plan in shown])


def as_data(plan: MaintenancePlan) -> dict[str, Any]:
    return {
        "id": str(plan.pk),
        "status": plan.state.value,
        "maintenance_key": f"MNT-{plan.pk}",
        "name": plan.name,
        "condition": bpql.parse(plan.condition).as_object(),
        "start": seconds(plan.starts_at),
        "end": seconds(plan.ends_at),
        "description": plan.description,
        "frequency": ONCE,
        "frequency_data": {},
        "post_maintenance_action": NO_ACTION,
        "time_zone": UTC_ZONE,
        "custom_tags": [],
        "created_at": seconds(plan.created_at),
        "created_by": _person(plan.created_by_id),
        "updated_at": seconds(plan.updated_at),
        "updated_by": _person(plan.updated_by_id),
    }


FIELDS = ("name", "condition", "start", "end", "description")


def _as_form(sent: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent, as the page's form takes it; what is not sent stays as it is. Raises ValidationError, which names every field that is wrong."""
    errors = {}
    for name, value in sent.items():
        if refusal := _refusal(name, value):
            errors[name] = [refusal]
    if errors:
        raise ValidationError(errors)
    said = {name: value for name, value in {**known, **sent}.items() if name in FIELDS}
    if isinstance(said.get("condition"), dict):
        try:
            said["condition"] = str(bpql.parse(said["condition"]))
        except bpql.BpqlError as error:
            raise ValidationError({"condition": [error.message]}) from None
    return {OURS.get(name, name): _moment(value) if name in OURS else value for name, value in said.items()}


def _refusal(name: str, value: object) -> str:
    """Why a field cannot be so; empty where it can, as far as the form does not say."""
    match name:
        case "name" | "description":
            return "" if isinstance(value, str) else "must be text."
        case "condition":
            return "" if isinstance(value, str | dict) else "must be a BPQL query, as text or as an object."
        case "start" | "end":
            return "" if _moment(value) else "must be a time in seconds since 1970."
        case "frequency":
            return "" if value == ONCE else "must be Once: plans that repeat are not supported."
        case "frequency_data":
            return "must be left out: plans that repeat are not supported." if value else ""
        case "post_maintenance_action":
            is_none = value in (None, NO_ACTION)
            return "" if is_none else "must be None: alerts stay in maintenance until their next active update."
        case "time_zone":
            return (
                ""
                if isinstance(value, str) and value in time_zones()
                else "must be the name of a time zone, such as Europe/Berlin."
            )
        case "custom_tags":
            return "are not supported: say it in the description." if value else ""
        case _ if name in WRITTEN_BY_US:
            return ""
    return "is no property of a maintenance plan."


def _moment(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _valid(form: PlanForm) -> PlanForm:
    if not form.is_valid():
        theirs = {ours: name for name, ours in OURS.items()}
        told = {theirs.get(name, name): [str(each) for each in rules] for name, rules in form.errors.items()}
        raise ValidationError(told)
    return form


def _one_of(request: Request, name: str, default: str, allowed: Any) -> str:
    value = request.query_params.get(name, default).lower() or default
    if value != default and value not in allowed:
        raise ValidationError({name: [f"must be one of {', '.join(allowed)}."]})
    return value


def _person(pk: int | None) -> str | None:
    return None if pk is None else str(pk)
