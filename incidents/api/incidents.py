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

import bpql
from alerts.api.limits import BATCH_RESOLVES
from alerts.models import Alert
from incidents import actions
from incidents.api import incident_data as data
from incidents.api.resource import NOTHING, PersonsResource, done, is_key, moment
from incidents.feed.folders import Folder
from incidents.models import Environment, Incident, IncidentTag, Priority
from incidents.models.incident import IncidentQuerySet
from incidents.search import conditions
from incidents.tags import changes as tag_changes
from incidents.tags.forms import TagDefinitionForm
from people.api import number
from people.models import Area, User
from people.permissions import permits

EVERYTHING = "all"  # the environment that holds every incident
SORTS = {"last_change": "-changed_at", "status": "-status", "start": "-started_at", "alerts": "-alerts_count"}
LAST_RESULT = 10_000
LARGEST_PAGE, LARGEST_EXPANDED_PAGE = 100, 10
BATCH_LIMIT, BATCH_COMMENT_LIMIT = 500, 1000


class _Resource(PersonsResource):
    permission_classes = (permits(Area.INCIDENTS),)

    def keys(self, name: str) -> list[int]:
        sent = self.sent().get(name)
        if not isinstance(sent, list) or not sent or not all(is_key(each) for each in sent):
            raise ValidationError({name: ["must be a list of ids."]})
        return [int(each) for each in sent]

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
        incident = self.within(env, to_act=to_act).select_related(*data.RELATED).filter(pk=pk).first()
        if incident is None:
            raise NotFound(f"There is no incident {pk} in this environment.")
        return incident


class Incidents(_Resource):
    """Search: by BPQL, folder, and whether active at any point of a time; nothing past the 10,000th result."""

    def get(self, request: Request, env: str) -> Response:
        found = self._found(env)
        expands = request.query_params.get("expand") == "alerts"
        size = number(request, "page_size", 10, LARGEST_EXPANDED_PAGE if expands else LARGEST_PAGE)
        start = (number(request, "page", 1, LAST_RESULT) - 1) * size
        total = found.order_by()[:LAST_RESULT].count()
        page = found[start : min(start + size, LAST_RESULT)] if start < LAST_RESULT else found.none()
        rows = list(page.select_related(*data.RELATED).prefetch_related("tag_values__tag", "matchers__pattern"))
        return Response({"total": total, "items": data.incidents_as_data(rows, with_alerts=expands)})

    def _found(self, env: str) -> IncidentQuerySet:
        asked = self.request.query_params
        found = self.within(env).filter(merged_into=None)
        query = asked.get("query", "*").strip()
        if query not in ("", "*"):
            try:
                found = found.filter(conditions.for_incidents(bpql.parse(query)))
            except bpql.BpqlError as error:
                raise ValidationError({"query": [str(error)]}) from None
        folder = asked.get("folder", "").lower()
        if folder in Folder.values:
            found = Folder(folder).of(found)
        elif folder == "assigned":
            found = found.open().exclude(assignee=None)
        elif folder:
            raise ValidationError({"folder": [f"must be one of {', '.join(Folder.values)}, assigned."]})
        if until := moment(asked, "to"):
            found = found.filter(started_at__lte=until)
        if since := moment(asked, "from"):
            found = found.filter(Q(resolved_at=None) | Q(resolved_at__gte=since))
        sort = asked.get("sort_by", "last_change")
        if sort not in SORTS:
            raise ValidationError({"sort_by": [f"must be one of {', '.join(SORTS)}."]})
        return found.order_by(SORTS[sort], "-pk")


class One(_Resource):
    def get(self, request: Request, env: str, pk: int) -> Response:
        incident = self.find(env, pk, to_act=False)
        return Response(
            data.incidents_as_data([incident], with_alerts=request.query_params.get("expand") == "alerts")[0]
        )


class Resolve(_Resource):
    def post(self, request: Request, env: str, pk: int) -> Response:
        incident, comment = self.find(env, pk), self.text("comments")
        return done(lambda: actions.resolve(incident, by=self.person, comment=comment), HTTPStatus.ACCEPTED)


class Comments(_Resource):
    def post(self, request: Request, env: str, pk: int) -> Response:
        incident, text = self.find(env, pk), self.text("comment", required=True)
        return done(lambda: actions.comment(incident, by=self.person, text=text))


class Assignment(_Resource):
    def put(self, request: Request, env: str, pk: int) -> Response:
        incident, sent = self.find(env, pk), self.sent().get("assignee")
        person = User.objects.filter(pk=int(str(sent)), is_active=True).first() if is_key(sent) else None
        if person is None or not person.may_act:
            raise ValidationError({"assignee": ["must be the id of a person who may act on incidents."]})
        return done(lambda: actions.assign(incident, to=person, by=self.person))

    def delete(self, request: Request, env: str, pk: int) -> Response:
        incident = self.find(env, pk)
        return done(lambda: actions.unassign(incident, by=self.person), refused=HTTPStatus.BAD_REQUEST)


class Snooze(_Resource):
    def put(self, request: Request, env: str, pk: int) -> Response:
        incident, sent, comment = self.find(env, pk), self.sent(), self.text("comment")
        until, wakes = moment(sent, "end_time"), sent.get("cancel_on_incident_updates", False)
        if until is None:
            raise ValidationError({"end_time": ["is required, in seconds since 1970."]})
        if not isinstance(wakes, bool):
            raise ValidationError({"cancel_on_incident_updates": ["must be true or false."]})
        by = self.person
        return done(
            lambda: actions.snooze(incident, until=until, by=by, wakes_on_update=wakes, comment=comment),
            refused=HTTPStatus.BAD_REQUEST,
        )

    def delete(self, request: Request, env: str, pk: int) -> Response:
        incident = self.find(env, pk)
        return done(lambda: actions.unsnooze(incident, by=self.person), refused=HTTPStatus.BAD_REQUEST)


class Merge(_Resource):
    def post(self, request: Request, env: str, pk: int) -> Response:
        incident, pks, comment = self.find(env, pk), self.keys("source_incidents"), self.text("comment")
        sources = list(self.within(env, to_act=True).filter(pk__in=pks))
        if missing := set(pks) - {each.pk for each in sources}:
            raise ValidationError({"source_incidents": [f"There is no incident {min(missing)} in this environment."]})
        return done(lambda: actions.merge(incident, sources, by=self.person, comment=comment), HTTPStatus.ACCEPTED)


class Split(_Resource):
    def post(self, request: Request, env: str, pk: int) -> Response:
        incident, alerts, comment = self.find(env, pk), self.keys("alerts"), self.text("comment")
        return done(lambda: actions.split(incident, alerts, by=self.person, comment=comment), HTTPStatus.ACCEPTED)


class Tags(_Resource):
    def get(self, request: Request, env: str, pk: int) -> Response:
        return Response(data.tags_as_data(self.find(env, pk, to_act=False)))

    def post(self, request: Request, env: str, pk: int) -> Response:
        """Sets each of the tags that are sent, or none of them."""
        incident, sent = self.find(env, pk), request.data
        if not isinstance(sent, list) or not all(isinstance(each, dict) and "tag_id" in each for each in sent):
            raise ValidationError(["The body must be a list of {tag_id, tag_value}."])
        sets = [_setting(incident, str(each["tag_id"]), each.get("tag_value"), self.person) for each in sent]
        return done(lambda: [each() for each in sets])

    def delete(self, request: Request, env: str, pk: int) -> Response:
        incident = self.find(env, pk)
        present = [each["tag_id"] for each in data.tags_as_data(incident)]
        removals = [_setting(incident, each, None, self.person) for each in present]
        return done(lambda: [each() for each in removals])


class OneTag(_Resource):
    def get(self, request: Request, env: str, pk: int, tag: str) -> Response:
        for each in data.tags_as_data(self.find(env, pk, to_act=False)):
            if each["tag_id"] == tag:
                return Response(each)
        raise NotFound(f"The incident has no tag {tag}.")

    def post(self, request: Request, env: str, pk: int, tag: str) -> Response:
        return done(_setting(self.find(env, pk), tag, self.sent().get("tag_value"), self.person))

    def delete(self, request: Request, env: str, pk: int, tag: str) -> Response:
        return done(_setting(self.find(env, pk), tag, None, self.person), refused=HTTPStatus.NOT_FOUND)


class BatchResolve(_Resource):
    """Ends up to 500 alerts; keys that are none, or none that this person may act on, are ignored."""

    request_limit = BATCH_RESOLVES

    def post(self, request: Request, env: str) -> Response:
        pks, comment = self.keys("ids"), self.text("comments", limit=BATCH_COMMENT_LIMIT)
        if len(pks) > BATCH_LIMIT:
            raise ValidationError({"ids": [f"can be {BATCH_LIMIT} at most."]})
        mine = Alert.objects.filter(pk__in=pks, incident__in=self.within(env, to_act=True))
        actions.resolve_alerts(mine.values_list("pk", flat=True), by=self.person, comment=comment)
        return Response(status=HTTPStatus.ACCEPTED)


class Activities(_Resource):
    def get(self, request: Request, pk: int) -> Response:
        found = self.find(EVERYTHING, pk, to_act=False).activities.order_by("-at", "-pk")
        if types := [each for each in request.query_params.get("types", "").split(",") if each]:
            found = found.filter(kind__in=types)
        page, size = number(request, "page", 1, 10_000), number(request, "per_page", 20, 100)
        return Response({"items": [data.activity(each) for each in found[(page - 1) * size : page * size]]})


class Definitions(_Resource):
    def get(self, request: Request) -> Response:
        return Response([data.priority_definition(), *map(data.definition, IncidentTag.objects.all())])

    def post(self, request: Request) -> Response:
        tag_changes.create(self._form(None).draft, by=self.person)
        return Response(status=NOTHING)

    def _form(self, tag: IncidentTag | None) -> TagDefinitionForm:
        if not self.person.is_administrator:
            raise PermissionDenied("Only an administrator defines incident tags.")
        form = TagDefinitionForm(data.as_form(self.sent(), tag), instance=tag)
        if not form.is_valid():
            names = {"kind": "type", "choices": "config"}
            raise ValidationError(
                {names.get(name, name): [str(each) for each in told] for name, told in form.errors.items()}
            )
        return form


class OneDefinition(Definitions):
    def get(self, request: Request, tag: str = "") -> Response:
        return Response(data.priority_definition() if tag == data.PRIORITY else data.definition(_tag(tag)))

    def put(self, request: Request, tag: str) -> Response:
        definition = _tag(tag)
        form = self._form(definition)
        return Response(data.definition(tag_changes.edit(definition, form.draft, by=self.person)))


def _setting(incident: Incident, tag_id: str, value: Any, by: User) -> Callable[[], object]:
    """Setting one tag, or removing it where there is no value. Raises ValidationError where the tag does not take it."""
    if tag_id == data.PRIORITY:
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
