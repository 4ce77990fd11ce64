"""Incidents under /resources/v1.0/incidents, for scripts that come with an org token (docs/wire-contract.md §8.3)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.api.limits import V1_REQUESTS
from alerts.models import Alert
from appkeys.authentication import MayUseResources, OrgTokenAuthentication
from appkeys.models import OrgToken
from incidents import actions
from incidents.api import incident_data_v1 as data
from incidents.api.resource import Resource, done, moment
from incidents.models import Incident


class _Resource(Resource):
    authentication_classes = (OrgTokenAuthentication,)
    permission_classes = (MayUseResources,)
    request_limit = V1_REQUESTS

    @property
    def token(self) -> OrgToken:
        return cast(OrgToken, self.request.auth)

    def find(self, pk: int) -> Incident:
        """The incident, where the token speaks for the integrations of all its alerts."""
        incident = Incident.objects.filter(pk=pk).first()
        others = Alert.objects.filter(incident=pk).exclude(app_key__in=self.token.app_keys.all())
        if incident is None or (self.token.is_limited and others.exists()):
            raise NotFound(f"There is no incident {pk} for this org token.")
        return incident


class One(_Resource):
    """Reads an incident; or resolves it, snoozes or wakes it, or says something about it."""

    def get(self, request: Request, pk: int) -> Response:
        return Response(
            data.incident(self.find(pk), alerts=_alerts(pk) if request.query_params.get("expand") == "alerts" else None)
        )

    def post(self, request: Request, pk: int) -> Response:
        incident, sent, comment = self.find(pk), self.sent(), self.text("comments")
        if "resolved" in sent:
            if sent["resolved"] is not True:
                raise ValidationError({"resolved": ["can only be true: an incident reopens with its alerts."]})
            refusal = done(lambda: actions.end_alerts(incident, by=self.token, comment=comment))
        elif "snooze" in sent:
            refusal = self._snooze(incident, sent["snooze"], comment)
        elif comment.strip():
            refusal = done(lambda: actions.comment(incident, by=self.token, text=comment))
        else:
            raise ValidationError(["Send one of resolved, snooze and comments."])
        return refusal if refusal.status_code >= HTTPStatus.BAD_REQUEST else self.get(request, pk)

    def _snooze(self, incident: Incident, sent: object, comment: str) -> Response:
        if not isinstance(sent, Mapping) or not isinstance(sent.get("snoozed"), bool):
            raise ValidationError({"snooze": ["must be an object whose snoozed is true or false."]})
        if not sent["snoozed"]:
            return done(lambda: self._wake(incident, comment))
        until, wakes = moment(sent, "wake"), sent.get("autoCancel", False)
        if until is None:
            raise ValidationError({"wake": ["is required, in seconds since 1970."]})
        if not isinstance(wakes, bool):
            raise ValidationError({"autoCancel": ["must be true or false."]})
        by = self.token
        return done(
            lambda: actions.snooze(incident, until=until, by=by, wakes_on_update=wakes, comment=comment),
            refused=HTTPStatus.BAD_REQUEST,
        )

    def _wake(self, incident: Incident, comment: str) -> None:
        actions.unsnooze(incident, by=self.token)
        if comment.strip():
            actions.comment(incident, by=self.token, text=comment)


class Alerts(_Resource):
    def get(self, request: Request, pk: int) -> Response:
        self.find(pk)
        return Response(_alerts(pk))


def _alerts(incident: int) -> list[dict[str, Any]]:
    rows = Alert.objects.filter(incident=incident).select_related("app_key").order_by("pk")
    return [data.alert(each) for each in rows]
