"""Why an alert is where it is, and why not elsewhere, as JSON."""

from __future__ import annotations

from django.http import Http404
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.api.resource import PersonsResource
from incidents.explain.lookup import answer_for, visible_alerts
from incidents.explain.why import explain
from people.models import Area
from people.permissions import permits


class _Resource(PersonsResource):
    permission_classes = (permits(Area.INCIDENTS),)


class Why(_Resource):
    """The decision about one alert: what each pattern said of it."""

    def get(self, request: Request, pk: int) -> Response:
        alert = visible_alerts(self.person).filter(pk=pk).first()
        if alert is None:
            raise NotFound(f"There is no alert {pk}.")
        return Response(explain([alert])[0].as_data())


class WhyNot(_Resource):
    """Why `alert` is not in the incident `other`, or not with the alert `other`."""

    def get(self, request: Request) -> Response:
        asked = request.query_params
        try:
            return Response(answer_for(asked.get("alert", ""), asked.get("other", ""), self.person))
        except Http404 as missing:
            raise NotFound(str(missing)) from missing
