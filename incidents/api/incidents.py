"""Incidents under /resources/v2.0/environments/{env}/incidents, for BigPanda's clients (docs/wire-contract.md §8.2)."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ValidationError as InvalidValue
from django.db.models import Q
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.api.limits import BATCH_RESOLVES
from alerts.models import Alert
from incidents import actions
from incidents.actions.action import asked_action, perform_on
from incidents.api import serializers as shapes
from incidents.api.resource import NOTHING, PersonsResource, done
from incidents.api.serializers import LAST_RESULT, SORTS, incidents_as_data, tags_of
from incidents.feed.folders import Folder
from incidents.models import Environment, Incident, IncidentTag, Priority
from incidents.models.incident import IncidentQuerySet
from incidents.tags import changes as tag_changes
from incidents.tags.forms import TagDefinitionForm
from people.api.fields import is_key
from people.api.operation import Operation
from people.models import Area, User
from people.permissions import permits

EVERYTHING = "all"  # the environment that holds every incident
ACCEPTED, BAD_REQUEST, CONFLICT, NOT_FOUND = (
    HTTPStatus.ACCEPTED,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.NOT_FOUND,
)


class _Resource(PersonsResource):
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


class Incidents(_Resource):
    @Operation(
        "listIncidents",
        f"Search by BPQL, folder and time; nothing past the {LAST_RESULT:,}th result",
        query=shapes.IncidentsQuerySerializer,
        reply=shapes.IncidentsSerializer,
    )
    def get(self, request: Request, env: str) -> Response:
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


class One(_Resource):
    @Operation("getIncident", "Read an incident", query=shapes.ExpandQuerySerializer, reply=shapes.IncidentSerializer)
    def get(self, request: Request, env: str, pk: int) -> Response:
        incident = self.find(env, pk, to_act=False)
        return Response(incidents_as_data([incident], with_alerts=self.asked()["expand"])[0])


class Resolve(_Resource):
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


class Comments(_Resource):
    @Operation(
        "commentIncident", "Comment on an incident", body=shapes.CommentSerializer, status=NOTHING, refused=(CONFLICT,)
    )
    def post(self, request: Request, env: str, pk: int) -> Response:
        incident, text = self.find(env, pk), self.sent()["comment"]
        return done(lambda: actions.comment(incident, by=self.person, text=text))


class Assignment(_Resource):
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


class Snooze(_Resource):
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


class Merge(_Resource):
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


class Split(_Resource):
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


class Tags(_Resource):
    tag = "Incident tags"

    @Operation("listIncidentTags", "List the tags of an incident", reply=shapes.TagSerializer(many=True))
    def get(self, request: Request, env: str, pk: int) -> Response:
        return Response(tags_of(self.find(env, pk, to_act=False)))

    @Operation(
        "setIncidentTags",
        "Set each of these tags, or none of them",
        body=shapes.TagSerializer(many=True),
        status=NOTHING,
        refused=(CONFLICT,),
    )
    def post(self, request: Request, env: str, pk: int) -> Response:
        incident, sent = self.find(env, pk), shapes.TagSerializer(data=request.data, many=True)
        if not isinstance(request.data, list) or not sent.is_valid():
            raise ValidationError(["The body must be a list of {tag_id, tag_value}."])
        sets = [_setting(incident, each["tag_id"], each["tag_value"], self.person) for each in sent.validated_data]
        return done(lambda: [each() for each in sets])

    @Operation("removeIncidentTags", "Remove all tags of an incident", status=NOTHING, refused=(CONFLICT,))
    def delete(self, request: Request, env: str, pk: int) -> Response:
        incident = self.find(env, pk)
        removals = [_setting(incident, each["tag_id"], None, self.person) for each in tags_of(incident)]
        return done(lambda: [each() for each in removals])


class OneTag(_Resource):
    tag = "Incident tags"

    @Operation("getIncidentTag", "Read a tag of an incident", reply=shapes.TagSerializer)
    def get(self, request: Request, env: str, pk: int, tag: str) -> Response:
        for each in tags_of(self.find(env, pk, to_act=False)):
            if each["tag_id"] == tag:
                return Response(each)
        raise NotFound(f"The incident has no tag {tag}.")

    @Operation(
        "setIncidentTag",
        "Set a tag of an incident",
        body=shapes.TagValueSerializer,
        status=NOTHING,
        refused=(CONFLICT,),
    )
    def post(self, request: Request, env: str, pk: int, tag: str) -> Response:
        return done(_setting(self.find(env, pk), tag, self.sent()["tag_value"], self.person))

    @Operation("removeIncidentTag", "Remove a tag of an incident", status=NOTHING)
    def delete(self, request: Request, env: str, pk: int, tag: str) -> Response:
        return done(_setting(self.find(env, pk), tag, None, self.person), refused=NOT_FOUND)


class BatchResolve(_Resource):
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


class BatchAction(_Resource):
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
        return Response({"done": done, "refused": refused})


class Activities(_Resource):
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
        return Response({"items": shapes.ActivitySerializer(found[(page - 1) * size : page * size], many=True).data})


class _Definitions(_Resource):
    tag = "Incident tags"

    def form(self, tag: IncidentTag | None) -> TagDefinitionForm:
        if not self.person.is_administrator:
            raise PermissionDenied("Only an administrator defines incident tags.")
        form = TagDefinitionForm(shapes.as_form(self.body(), tag), instance=tag)
        if not form.is_valid():
            names = {"kind": "type", "choices": "config"}
            raise ValidationError(
                {names.get(name, name): [str(each) for each in told] for name, told in form.errors.items()}
            )
        return form


class Definitions(_Definitions):
    @Operation(
        "listTagDefinitions", "List the incident tags that are defined", reply=shapes.TagDefinitionSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        tags = shapes.TagDefinitionSerializer(IncidentTag.objects.all(), many=True).data
        return Response([shapes.PRIORITY_DEFINITION, *tags])

    @Operation("createTagDefinition", "Define an incident tag", body=shapes.TagDefinitionSerializer, status=NOTHING)
    def post(self, request: Request) -> Response:
        tag_changes.create(self.form(None).draft, by=self.person)
        return Response(status=NOTHING)


class OneDefinition(_Definitions):
    @Operation("getTagDefinition", "Read the definition of an incident tag", reply=shapes.TagDefinitionSerializer)
    def get(self, request: Request, tag: str) -> Response:
        is_priority = tag == shapes.PRIORITY
        return Response(shapes.PRIORITY_DEFINITION if is_priority else shapes.TagDefinitionSerializer(_tag(tag)).data)

    @Operation(
        "changeTagDefinition",
        "Change the definition of an incident tag; what is left out stays as it is",
        body=shapes.TagDefinitionSerializer(partial=True),
        reply=shapes.TagDefinitionSerializer,
    )
    def put(self, request: Request, tag: str) -> Response:
        definition = _tag(tag)
        changed = tag_changes.edit(definition, self.form(definition).draft, by=self.person)
        return Response(shapes.TagDefinitionSerializer(changed).data)


def _setting(incident: Incident, tag_id: str, value: Any, by: User) -> Callable[[], object]:
    """Return a function that sets one tag, or removes it if there is no value. Raise ValidationError if the tag does not accept the value."""
    if tag_id == shapes.PRIORITY:
        if value is not None and value not in Priority.labels:
            raise ValidationError({"tag_value": [f"must be one of {', '.join(Priority.labels)}."]})
        priority = Priority[value] if value else None
        return lambda: actions.prioritise(incident, priority, by=by)
    tag = _tag(tag_id)
    if value is None:
        return lambda: actions.remove_tag(incident, tag, by=by)
    said = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    try:
        values = tag.read(said)
    except InvalidValue as error:
        raise ValidationError({"tag_value": error.messages}) from None
    return lambda: actions.set_tag(incident, tag, values, by=by)


def _tag(tag_id: str) -> IncidentTag:
    tag = IncidentTag.objects.filter(pk=int(tag_id)).first() if is_key(tag_id) else None
    if tag is None:
        raise NotFound(f"There is no incident tag {tag_id}.")
    return tag
