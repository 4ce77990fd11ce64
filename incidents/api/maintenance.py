"""Maintenance plans under /resources, in the shape of BigPanda's API (docs/wire-contract.md §6.2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.fields import empty
from rest_framework.request import Request
from rest_framework.response import Response

import bpql
from alerts.api.alerts import error_response
from bpql.grammar import LENGTH_LIMIT
from bpql.terms import Value, ValueKind
from incidents.api.resource import PersonsResource
from incidents.maintenance import changes
from incidents.maintenance.changes import NotNow
from incidents.maintenance.forms import PlanForm
from incidents.models import MaintenancePlan
from incidents.search.lookups import text_has
from people.api.fields import Choice, Described, Number, Seconds, is_key, refuse
from people.api.operation import JSONDict, Operation, validated
from people.models import Area
from people.models.preferences import time_zones
from people.permissions import permits

SORTS = {"created_at": "created_at", "updated_at": "updated_at", "next_run": "starts_at"}
FREQUENCIES = ("one-time", "recurring")
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


class _Text(serializers.CharField):
    """A text. The form checks whether the text is empty or too long."""

    def run_validation(self, data: Any = empty) -> Any:
        if data is empty:
            return super().run_validation(data)
        return data if isinstance(data, str) else refuse("must be text.")


class _Condition(Described):
    """A condition in BPQL, sent as text or in its object form, and shown in its object form."""

    RULE = "must be a BPQL query, as text or as an object."

    def __init__(self) -> None:
        about = "BPQL about an alert, as text or in its object form."
        super().__init__(
            {"type": ["string", "object"], "maxLength": LENGTH_LIMIT, "description": about},
            {"type": "object", "description": "BPQL in its object form."},
            error_messages={"null": self.RULE},
        )

    def to_internal_value(self, data: object) -> str:
        if isinstance(data, str):
            return data
        if not isinstance(data, dict):
            refuse(self.RULE)
        try:
            return str(bpql.parse(data))
        except bpql.BpqlError as error:
            refuse(error.message)

    def to_representation(self, value: str) -> object:
        return bpql.parse(value).as_object()


class _Moment(Seconds):
    """A time in seconds since 1970, as a number, also with a fraction."""

    def __init__(self, **options: Any) -> None:
        super().__init__(error_messages={"null": self.RULE}, **options)

    def run_validation(self, data: Any = empty) -> Any:
        return refuse(self.RULE) if data == "" else super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool) or not isinstance(data, int | float):
            refuse(self.RULE)
        try:
            return datetime.fromtimestamp(data, UTC)
        except (ValueError, OverflowError, OSError):
            refuse(self.RULE)


class _Fixed(Described):
    """A property of BigPanda's plans that has one value here."""

    def __init__(self, value: object, takes: Callable[[object], bool], rule: str, schema: JSONDict) -> None:
        self.value, self.takes, self.rule = value, takes, rule
        super().__init__({**schema, "default": value}, schema, required=False)

    def run_validation(self, data: Any = empty) -> object:
        return self.value if data is empty or self.takes(data) else refuse(self.rule)

    def get_attribute(self, instance: MaintenancePlan) -> object:
        return self.value

    def to_representation(self, value: object) -> object:
        return value


def _is_time_zone(value: object) -> bool:
    return isinstance(value, str) and value in time_zones()


class MaintenancePlanSerializer(serializers.Serializer[Any]):
    """A plan. The serializer checks the types of what was sent, and PlanForm, which the pages use too, checks the rest."""

    id = serializers.CharField(source="pk", read_only=True)
    status = serializers.ChoiceField(MaintenancePlan.State.values, source="state", read_only=True)
    maintenance_key = serializers.SerializerMethodField()
    name = _Text(max_length=200)
    condition = _Condition()
    start = _Moment(source="starts_at")
    end = _Moment(source="ends_at")
    description = _Text(max_length=2000, required=False, allow_blank=True)
    frequency = _Fixed(
        "Once",
        lambda value: value == "Once",
        "must be Once: plans that repeat are not supported.",
        {"enum": ["Once"], "description": "Plans that repeat are not supported."},
    )
    frequency_data = _Fixed(
        {},
        lambda value: not value,
        "must be left out: plans that repeat are not supported.",
        {"type": "object", "maxProperties": 0},
    )
    post_maintenance_action = _Fixed(
        "None",
        lambda value: value in (None, "None"),
        "must be None: alerts stay in maintenance until their next active update.",
        {"enum": ["None"], "description": "Alerts stay in maintenance until their next active update."},
    )
    time_zone = _Fixed(
        "UTC",
        _is_time_zone,
        "must be the name of a time zone, such as Europe/Berlin.",
        {"type": "string", "description": "The name of a time zone; a plan that runs once has no use for it."},
    )
    custom_tags = _Fixed(
        [],
        lambda value: not value,
        "are not supported: say it in the description.",
        {"type": "array", "maxItems": 0, "description": "Not supported."},
    )
    created_at = Seconds(read_only=True)
    created_by = serializers.CharField(source="created_by_id", read_only=True, allow_null=True)
    updated_at = Seconds(read_only=True)
    updated_by = serializers.CharField(source="updated_by_id", read_only=True, allow_null=True)

    def get_maintenance_key(self, plan: MaintenancePlan) -> str:
        return f"MNT-{plan.pk}"

    def to_internal_value(self, data: JSONDict) -> JSONDict:
        errors: JSONDict = {}
        values: JSONDict = {}
        try:
            values = super().to_internal_value(data)
        except ValidationError as refusal:
            errors = dict(refusal.detail)  # type: ignore[arg-type] # a serializer's errors have names
        errors |= {name: ["is no property of a maintenance plan."] for name in data if name not in self.fields}
        if errors:
            raise ValidationError(errors)
        return values


class PlansQuerySerializer(serializers.Serializer[Any]):
    active = Choice(("true", "false"), "false", any_case=True, help_text="Only the plans that run.")


class OrderedPlansQuerySerializer(serializers.Serializer[Any]):
    sort_by = Choice(SORTS, "created_at", any_case=True)
    order = Choice(("asc", "desc"), "desc", any_case=True)
    status = Choice(MaintenancePlan.State.values, any_case=True)
    frequency = Choice(FREQUENCIES, any_case=True)
    search_text = serializers.CharField(default="", allow_blank=True, trim_whitespace=False)
    page = Number(1, 10_000)
    per_page = Number(100, 1000)


class _Resource(PersonsResource):
    tag = "Maintenance plans"
    permission_classes = (permits(Area.MAINTENANCE),)

    def find(self, pk: str) -> MaintenancePlan:
        plan = MaintenancePlan.objects.kept().filter(pk=int(pk)).first() if is_key(pk) else None
        if plan is None:
            raise NotFound(f"There is no maintenance plan {pk}.")
        return plan


class Plans(_Resource):
    @Operation(
        "listMaintenancePlans",
        "List the plans, or those that run; answers 204 where there is none",
        query=PlansQuerySerializer,
        reply=MaintenancePlanSerializer(many=True),
        or_nothing=True,
    )
    def get(self, request: Request) -> Response:
        plans = MaintenancePlan.objects.kept()
        if self.asked()["active"] == "true":
            plans = plans.in_state(MaintenancePlan.State.RUNNING)
        shown = MaintenancePlanSerializer(plans, many=True).data
        return Response(shown) if shown else Response(status=HTTPStatus.NO_CONTENT)

    @Operation(
        "createMaintenancePlan",
        "Plan maintenance",
        body=MaintenancePlanSerializer,
        examples=EXAMPLES,
        reply=MaintenancePlanSerializer,
        status=HTTPStatus.CREATED,
    )
    def post(self, request: Request) -> Response:
        plan = changes.create(_form(self.body()).draft, by=self.person)
        return Response(MaintenancePlanSerializer(plan).data, status=HTTPStatus.CREATED)


class Plan(_Resource):
    @Operation("getMaintenancePlan", "Read a plan", reply=MaintenancePlanSerializer)
    def get(self, request: Request, pk: str) -> Response:
        return Response(MaintenancePlanSerializer(self.find(pk)).data)

    @Operation(
        "changeMaintenancePlan",
        "Change a plan; of one that runs only its end",
        body=MaintenancePlanSerializer(partial=True),
        status=HTTPStatus.NO_CONTENT,
    )
    def patch(self, request: Request, pk: str) -> Response:
        """Update a plan: any field while planned, only `end` while running."""
        plan, sent = self.find(pk), self.body()
        known = MaintenancePlanSerializer(plan).data
        if plan.state is MaintenancePlan.State.DONE:
            raise ValidationError(["The plan is over: create another one."])
        if plan.state is MaintenancePlan.State.RUNNING:
            changed = [name for name in sent if name != "end" and sent[name] != known.get(name)]
            if changed:
                raise ValidationError(
                    {name: ["cannot be changed while the plan runs; its end can."] for name in changed}
                )
        changes.edit(plan, _form({**known, **sent}, plan).draft, by=self.person)
        return Response(status=HTTPStatus.NO_CONTENT)

    @Operation(
        "deleteMaintenancePlan",
        "Delete a plan, which expects nothing any more. It can be brought back in the browser",
        status=HTTPStatus.NO_CONTENT,
    )
    def delete(self, request: Request, pk: str) -> Response:
        changes.delete(self.find(pk), by=self.person)
        return Response(status=HTTPStatus.NO_CONTENT)


class Stop(_Resource):
    @Operation(
        "stopMaintenancePlan",
        "End a plan that runs, now",
        status=HTTPStatus.NO_CONTENT,
        refused=(HTTPStatus.BAD_REQUEST,),
    )
    def post(self, request: Request, pk: str) -> Response:
        try:
            changes.stop(self.find(pk), by=self.person)
        except NotNow as refusal:
            return error_response(HTTPStatus.BAD_REQUEST, [str(refusal)])
        return Response(status=HTTPStatus.NO_CONTENT)


class OrderedPlans(_Resource):
    @Operation(
        "searchMaintenancePlans",
        "Search the plans, sorted and in pages",
        query=OrderedPlansQuerySerializer,
        reply=MaintenancePlanSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        asked = self.asked()
        plans = MaintenancePlan.objects.kept()
        if asked["status"]:
            plans = plans.in_state(MaintenancePlan.State(asked["status"]))
        if asked["frequency"] == "recurring":
            plans = plans.none()
        if asked["search_text"]:
            words = Value(ValueKind.PLAIN, asked["search_text"])
            plans = plans.filter(text_has("name", words) | text_has("description", words))
        before = "" if asked["order"] == "asc" else "-"
        plans = plans.order_by(before + SORTS[asked["sort_by"]], f"{before}pk")
        start = (asked["page"] - 1) * asked["per_page"]
        return Response(MaintenancePlanSerializer(plans[start : start + asked["per_page"]], many=True).data)


def _form(sent: JSONDict, plan: MaintenancePlan | None = None) -> PlanForm:
    """Return the form of a plan that was sent. Raise ValidationError with the name of each field that is wrong."""
    # Partial: the form says what is missing.
    serializer = MaintenancePlanSerializer(data=sent, partial=True)
    form = PlanForm(validated(serializer), instance=plan)
    if not form.is_valid():
        names = {field.source: name for name, field in serializer.fields.items()}
        raise ValidationError(
            {names.get(name, name): [str(each) for each in rules] for name, rules in form.errors.items()}
        )
    return form
