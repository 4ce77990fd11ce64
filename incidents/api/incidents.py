"""Incidents under /resources/v2.0/environments/{env}/incidents, for BigPanda's clients (docs/wire-contract.md §8.2)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.db.models import Q
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.api.limits import BATCH_RESOLVES
from alerts.models import Alert
from alerts.payload import LISTED
from db import time_limit
from incidents import actions
from incidents.actions.action import asked_action, perform_on
from incidents.api import serializers as shapes
from incidents.api.resource import NOTHING, PersonsResource, done
from incidents.api.serializers import LAST_RESULT, SORTS, incidents_as_data
from incidents.feed.folders import Folder
from incidents.models import Environment, Incident
from incidents.models.activity import readable
from incidents.models.incident import IncidentQuerySet
from people.api.fields import is_key
from people.api.operation import Operation
from people.models import Area
from people.permissions import permits

EVERYTHING = "all"  # the environment that holds every incident
ACCEPTED, BAD_REQUEST, CONFLICT = HTTPStatus.ACCEPTED, HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT


class IncidentResource(PersonsResource):
    tag = "Incidents"
    permission_classes = (permits(Area.INCIDENTS),)

    def within(self, env: str, *, to_act: bool = False) -> IncidentQuerySet:
        incidents: IncidentQuerySet = Incident.objects.all()
        mine = incidents.changeable_by(self.person) if to_act else incidents.visible_to(self.person)
        if env == EVERYTHING:
            return mine
        named = Q(pk=int(env)) if is_key(env) else Q(name__iexact=env)
        environment = Environment.objects.kept().filter(named).first()
        if environment is None or not environment.may_be_seen_by(self.person):
            raise NotFound(f"There is no environment {env}. “{EVERYTHING}” holds every incident.")
        return mine.in_environment(environment)

    def find(self, env: str, pk: int, *, to_act: bool = True) -> Incident:
        incident = self.within(env, to_act=to_act).select_related(*shapes.RELATED).filter(pk=pk).first()
        if incident is None:
            raise NotFound(f"There is no incident {pk} in this environment.")
        return incident


class Incidents(IncidentResource):
    @Operation(
        "listIncidents",
        f"Search by BPQL, folder and time; nothing past the {LAST_RESULT:,}th result",
        query=shapes.IncidentsQuerySerializer,
        reply=shapes.IncidentsSerializer,
    )
    def get(self, request: Request, env: str) -> Response:
        with time_limit.limited():
            incidents, asked = self.within(env), self.asked()
            found = _found(incidents, asked)
            start, size = (asked["page"] - 1) * asked["page_size"], asked["page_size"]
            total = found.order_by()[:LAST_RESULT].count()
            page = found[start : min(start + size, LAST_RESULT)] if start < LAST_RESULT else found.none()
            rows = list(page.select_related(*shapes.RELATED).prefetch_related("tag_values__tag", "matchers__pattern"))
        return Response({"total": total, "items": incidents_as_data(rows, with_alerts=asked["expand"])})


def _found(incidents: IncidentQuerySet, asked: dict[str, Any]) -> IncidentQuerySet:
    found = incidents.filter(asked["query"] or Q(), merged_into=None)
    if asked["folder"] == "assigned":
        found = found.open().exclude(assignee=None)
    elif asked["folder"]:
        found = Folder(asked["folder"]).of(found)
    if asked["to"]:
        found = found.filter(started_at__lte=asked["to"])
    if asked["from"]:
        found = found.filter(Q(resolved_at=None) | Q(resolved_at__gte=asked["from"]))
    return found.order_by(SORTS[asked["sort_by"]], "-pk")


class One(IncidentResource):
    @Operation("getIncident", "Read an incident", query=shapes.ExpandQuerySerializer, reply=shapes.IncidentSerializer)
    def get(self, request: Request, env: str, pk: int) -> Response:
        incident = self.find(env, pk, to_act=False)
        return Response(incidents_as_data([incident], with_alerts=self.asked()["expand"])[0])


class Resolve(IncidentResource):
    @Operation(
        "resolveIncident",
        "Resolve an incident and its active alerts",
        body=shapes.ResolveSerializer,
        status=ACCEPTED,
        refused=(CONFLICT,),
    )
    def post(self, request: Request, env: str, pk: int) -> Response:
        incident, comment = self.find(env, pk), self.sent()["comments"]
        return done(lambda: actions.resolve(incident, by=self.person, comment=comment), ACCEPTED)


class Comments(IncidentResource):
    @Operation(
        "commentIncident", "Comment on an incident", body=shapes.CommentSerializer, status=NOTHING, refused=(CONFLICT,)
    )
    def post(self, request: Request, env: str, pk: int) -> Response:
        incident, text = self.find(env, pk), self.sent()["comment"]
        return done(lambda: actions.comment(incident, by=self.person, text=text))


class Assignment(IncidentResource):
    @Operation(
        "assignIncident",
        "Assign an incident to a person",
        body=shapes.AssignmentSerializer,
        status=NOTHING,
        refused=(CONFLICT,),
    )
    def put(self, request: Request, env: str, pk: int) -> Response:
        incident, person = self.find(env, pk), self.sent()["assignee"]
        return done(lambda: actions.assign(incident, to=person, by=self.person))

    @Operation("unassignIncident", "Take an incident from its person", status=NOTHING, refused=(BAD_REQUEST,))
    def delete(self, request: Request, env: str, pk: int) -> Response:
        incident = self.find(env, pk)
        return done(lambda: actions.unassign(incident, by=self.person), refused=BAD_REQUEST)


class Snooze(IncidentResource):
    @Operation(
        "snoozeIncident",
        "Snooze an incident, or move the end of its snooze",
        body=shapes.SnoozeSerializer,
        status=NOTHING,
    )
    def put(self, request: Request, env: str, pk: int) -> Response:
        incident, sent, by = self.find(env, pk), self.sent(), self.person
        until, wakes = sent["end_time"], sent["cancel_on_incident_updates"]
        return done(
            lambda: actions.snooze(incident, until=until, by=by, wakes_on_update=wakes, comment=sent["comment"]),
            refused=BAD_REQUEST,
        )

    @Operation("unsnoozeIncident", "End the snooze of an incident", status=NOTHING, refused=(BAD_REQUEST,))
    def delete(self, request: Request, env: str, pk: int) -> Response:
        incident = self.find(env, pk)
        return done(lambda: actions.unsnooze(incident, by=self.person), refused=BAD_REQUEST)


class Merge(IncidentResource):
    @Operation(
        "mergeIncidents",
        "Merge other incidents into this one",
        body=shapes.MergeSerializer,
        status=ACCEPTED,
        refused=(CONFLICT,),
    )
    def post(self, request: Request, env: str, pk: int) -> Response:
        incident, sent = self.find(env, pk), self.sent()
        pks, comment = sent["source_incidents"], sent["comment"]
        sources = list(self.within(env, to_act=True).filter(pk__in=pks))
        if missing := set(pks) - {each.pk for each in sources}:
            raise ValidationError({"source_incidents": [f"There is no incident {min(missing)} in this environment."]})
        return done(lambda: actions.merge(incident, sources, by=self.person, comment=comment), ACCEPTED)


class Split(IncidentResource):
    @Operation(
        "splitIncident",
        "Split alerts out of an incident, into one of their own",
        body=shapes.SplitSerializer,
        status=ACCEPTED,
        refused=(CONFLICT,),
    )
    def post(self, request: Request, env: str, pk: int) -> Response:
        incident, sent = self.find(env, pk), self.sent()
        alerts, comment = sent["alerts"], sent["comment"]
        return done(lambda: actions.split(incident, alerts, by=self.person, comment=comment), ACCEPTED)


class BatchResolve(IncidentResource):
    request_limit = BATCH_RESOLVES

    @Operation(
        "resolveAlerts",
        f"Resolve up to {shapes.BATCH_LIMIT} alerts; ids of alerts that the person may not act on are ignored",
        body=shapes.BatchResolveSerializer,
        status=ACCEPTED,
    )
    def post(self, request: Request, env: str) -> Response:
        sent = self.sent()
        mine = Alert.objects.filter(pk__in=sent["ids"], incident__in=self.within(env, to_act=True))
        actions.resolve_alerts(mine.values_list("pk", flat=True), by=self.person, comment=sent["comments"])
        return Response(status=ACCEPTED)


class BatchAction(IncidentResource):
    @Operation(
        "actOnIncidents",
        f"Perform an action on up to {shapes.BATCH_LIMIT} incidents; ids of incidents that the person may not act on are ignored",
        body=shapes.BatchActionSerializer,
        reply=shapes.BatchActionReplySerializer,
    )
    def post(self, request: Request, env: str) -> Response:
        sent = self.sent()
        action = asked_action(sent["action"])
        assert action  # noqa: S101 - the body was read with the names of all actions
        form = action.form(sent["form"], user=self.person, site=request.build_absolute_uri("/").rstrip("/"))
        if not form.is_valid():
            raise ValidationError({name: [str(each) for each in told] for name, told in form.errors.items()})
        incidents = self.within(env, to_act=True).filter(pk__in=sent["ids"])
        result = perform_on(action.from_form(form), incidents.values_list("pk", flat=True), by=self.person)
        done = [str(activity.incident_id) for activity in result.activities]
        refused = [{"id": str(pk), "reason": reason} for pk, reason in result.refused.items()]
        return Response({"done": done, "refused": refused[:LISTED], "refused_count": len(refused)})


class Activities(IncidentResource):
    @Operation(
        "listIncidentActivities",
        "List the activities of an incident, the newest first",
        query=shapes.ActivitiesQuerySerializer,
        reply=shapes.ActivitiesSerializer,
    )
    def get(self, request: Request, pk: int) -> Response:
        found = self.find(EVERYTHING, pk, to_act=False).activities.order_by("-at", "-pk")
        asked = self.asked()
        if types := [each for each in asked["types"].split(",") if each]:
            found = found.filter(kind__in=types)
        page, size = asked["page"], asked["per_page"]
        shown = readable(found[(page - 1) * size : page * size], self.person)
        return Response({"items": shapes.ActivitySerializer(shown, many=True).data})
