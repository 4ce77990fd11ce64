"""Incidents under /resources/v1.0/incidents, for scripts that come with an org token (docs/wire-contract.md §8.3)."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.api.limits import V1_REQUESTS
from appkeys.authentication import MayUseResources, OrgTokenAuthentication
from appkeys.models import OrgToken
from incidents import actions
from incidents.api.resource import Resource, done
from incidents.api.serializers import ExpandQuerySerializer
from incidents.api.serializers_v1 import (
    AlertV1Serializer,
    ChangeV1Serializer,
    IncidentV1Serializer,
    SnoozeV1Serializer,
    alerts_of,
)
from incidents.models import Incident
from people.api.operation import Operation, validated


class _Resource(Resource):
    tag = "Incidents v1"
    authentication_classes = (OrgTokenAuthentication,)
    permission_classes = (MayUseResources,)
    request_limit = V1_REQUESTS

    @property
    def token(self) -> OrgToken:
        return cast(OrgToken, self.request.auth)

    def find(self, pk: int) -> Incident:
        """Return the incident. Raise NotFound if the token may not see it."""
        incident = Incident.objects.filter(pk=pk).first()
        if incident is None or not incident.may_be_seen_by(self.token):
            raise NotFound(f"There is no incident {pk} for this org token.")
        return incident


class One(_Resource):
    @Operation("getIncidentV1", "Read an incident", query=ExpandQuerySerializer, reply=IncidentV1Serializer)
    def get(self, request: Request, pk: int) -> Response:
        return self._shown(pk)

    @Operation(
        "changeIncidentV1",
        "Resolve an incident, snooze or wake it, or comment on it",
        query=ExpandQuerySerializer,
        body=ChangeV1Serializer,
        reply=IncidentV1Serializer,
        refused=(HTTPStatus.CONFLICT,),
    )
    def post(self, request: Request, pk: int) -> Response:
        incident, sent = self.find(pk), self.sent()
        comment = sent["comments"]
        if "resolved" in sent:
            refusal = done(lambda: actions.end_alerts(incident, by=self.token, comment=comment))
        elif "snooze" in sent:
            refusal = self._snooze(incident, sent["snooze"], comment)
        elif comment.strip():
            refusal = done(lambda: actions.comment(incident, by=self.token, text=comment))
        else:
            raise ValidationError(["Send one of resolved, snooze and comments."])
        return refusal if refusal.status_code >= HTTPStatus.BAD_REQUEST else self._shown(pk)

    def _shown(self, pk: int) -> Response:
        return Response(IncidentV1Serializer(self.find(pk), context=self.asked()).data)

    def _snooze(self, incident: Incident, sent: object, comment: str) -> Response:
        values, by = validated(SnoozeV1Serializer(data=sent if isinstance(sent, dict) else {})), self.token
        if not values["snoozed"]:
            return done(lambda: self._wake(incident, comment))
        until, wakes = values["wake"], values["autoCancel"]
        return done(
            lambda: actions.snooze(incident, until=until, by=by, wakes_on_update=wakes, comment=comment),
            refused=HTTPStatus.BAD_REQUEST,
        )

    def _wake(self, incident: Incident, comment: str) -> None:
        actions.unsnooze(incident, by=self.token)
        if comment.strip():
            actions.comment(incident, by=self.token, text=comment)


class Alerts(_Resource):
    @Operation("listAlertsV1", "List the alerts of an incident", reply=AlertV1Serializer(many=True))
    def get(self, request: Request, pk: int) -> Response:
        self.find(pk)
        return Response(alerts_of(pk))
