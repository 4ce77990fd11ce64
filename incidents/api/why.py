"""Why an alert is in its incident, and why not in another, as JSON."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import Http404
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.api.resource import PersonsResource
from incidents.correlation.decide import VERDICTS
from incidents.explain.lookup import answer_for, visible_alerts
from incidents.explain.why import explain
from people.api.operation import Operation
from people.models import Area
from people.permissions import permits

# --- For the document only: incidents.explain makes the same data for pages.


class ReasonSerializer(serializers.Serializer[Any]):
    pattern = serializers.CharField()
    version = serializers.IntegerField()
    verdict = serializers.ChoiceField(list(VERDICTS))
    sentence = serializers.CharField()
    incident = serializers.IntegerField(allow_null=True)
    window_from = serializers.DateTimeField(allow_null=True)
    window_until = serializers.DateTimeField(allow_null=True)


class WhySerializer(serializers.Serializer[Any]):
    alert = serializers.CharField()
    incident = serializers.IntegerField(allow_null=True)
    started_at = serializers.DateTimeField()
    headline = serializers.CharField()
    reasons = ReasonSerializer(many=True)


class ComparedTagSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    alert = serializers.CharField(allow_null=True)
    incident = serializers.CharField(allow_null=True)


class VerdictSerializer(ReasonSerializer):
    tags = ComparedTagSerializer(many=True)
    minutes_outside = serializers.IntegerField(allow_null=True)


class WhyNotSerializer(serializers.Serializer[Any]):
    alert = serializers.CharField()
    alert_incident = serializers.IntegerField(allow_null=True)
    incident = serializers.IntegerField()
    together = serializers.BooleanField()
    turned = serializers.BooleanField(
        help_text="The incident asked about came later: `alert` is one of its own, `incident` the one that was there first."
    )
    headline = serializers.CharField()
    patterns = VerdictSerializer(many=True)


class WhyNotQuerySerializer(serializers.Serializer[Any]):
    alert = serializers.CharField(help_text="The number of an alert.")
    other = serializers.CharField(help_text="An incident's number, or another alert's.")


# --- Views


class _Resource(PersonsResource):
    tag = "Why"
    permission_classes = (permits(Area.INCIDENTS),)


class Why(_Resource):
    @Operation("whyAlert", "Why an alert is in its incident: what each pattern said of it", reply=WhySerializer)
    def get(self, request: Request, pk: int) -> Response:
        alert = visible_alerts(self.person).filter(pk=pk).first()
        if alert is None:
            raise NotFound(f"There is no alert {pk}.")
        return Response(explain([alert], self.person)[0].as_data())


class WhyNot(_Resource):
    @Operation(
        "whyNot",
        "Why an alert is not in an incident, or not with another alert",
        query=WhyNotQuerySerializer,
        reply=WhyNotSerializer,
        refused=(HTTPStatus.NOT_FOUND,),
    )
    def get(self, request: Request) -> Response:
        # What is missing is answered 404 with a reason, so the serializer of the query string does not read it.
        asked = request.query_params
        try:
            return Response(answer_for(asked.get("alert", ""), asked.get("other", ""), self.person))
        except Http404 as missing:
            raise NotFound(str(missing)) from missing
