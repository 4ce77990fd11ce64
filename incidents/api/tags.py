"""Tags of incidents and their definitions under /resources/v2.0, for BigPanda's clients (docs/wire-contract.md §6.3, §8.2)."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ValidationError as InvalidValue
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from incidents import actions
from incidents.api.incidents import IncidentResource
from incidents.api.resource import NOTHING, done
from incidents.api.serializers import PRIORITY, TagSerializer, TagValueSerializer, tags_of
from incidents.models import Incident, IncidentTag, Priority
from incidents.tags import changes as tag_changes
from incidents.tags.forms import TagDefinitionForm
from people.api.fields import is_key
from people.api.operation import JSONDict, Operation
from people.models import Area, User
from people.permissions import permits

AT_ONCE = 500  # tags that one request may set

# --- The shapes of definitions


class _TagConfigSerializer(serializers.Serializer[Any]):
    ordered_list = serializers.ListField(
        source="choices", child=serializers.CharField(), help_text="The values of a closed list."
    )

    class Meta:
        ref_name = "TagConfig"


class TagDefinitionSerializer(serializers.Serializer[Any]):
    """The definition of an incident tag. TagDefinitionForm, which the page uses too, checks what is sent."""

    id = serializers.CharField(source="pk", read_only=True)
    name = serializers.CharField(max_length=20)
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)
    type = serializers.ChoiceField([*IncidentTag.Kind.values, "Priority"], source="kind", required=False)
    config = _TagConfigSerializer(source="*", required=False)
    active = serializers.BooleanField(required=False)
    can_manual_input = serializers.SerializerMethodField()
    deleted = serializers.SerializerMethodField()

    def get_can_manual_input(self, tag: IncidentTag) -> bool:
        return not tag.has_choices

    def get_deleted(self, tag: IncidentTag) -> bool:
        return False


PRIORITY_DEFINITION = {
    "id": PRIORITY,
    "name": "Priority",
    "description": "How much an incident matters.",
    "type": "Priority",
    "config": {"ordered_list": list(Priority.labels)},
    "active": True,
    "can_manual_input": False,
    "deleted": False,
}


# --- Views


class Tags(IncidentResource):
    tag = "Incident tags"

    @Operation("listIncidentTags", "List the tags of an incident", reply=TagSerializer(many=True))
    def get(self, request: Request, env: str, pk: int) -> Response:
        return Response(tags_of(self.find(env, pk, to_act=False)))

    @Operation(
        "setIncidentTags",
        "Set each of these tags, or none of them",
        body=TagSerializer(many=True),
        status=NOTHING,
        refused=(HTTPStatus.CONFLICT,),
    )
    def post(self, request: Request, env: str, pk: int) -> Response:
        incident, sent = self.find(env, pk), TagSerializer(data=request.data, many=True)
        if not isinstance(request.data, list) or len(request.data) > AT_ONCE or not sent.is_valid():
            raise ValidationError([f"The body must be a list of up to {AT_ONCE} {{tag_id, tag_value}}."])
        sets = [_setting(incident, each["tag_id"], each["tag_value"], self.person) for each in sent.validated_data]
        return done(lambda: [each() for each in sets])

    @Operation("removeIncidentTags", "Remove all tags of an incident", status=NOTHING, refused=(HTTPStatus.CONFLICT,))
    def delete(self, request: Request, env: str, pk: int) -> Response:
        incident = self.find(env, pk)
        removals = [_setting(incident, each["tag_id"], None, self.person) for each in tags_of(incident)]
        return done(lambda: [each() for each in removals])


class OneTag(IncidentResource):
    tag = "Incident tags"

    @Operation("getIncidentTag", "Read a tag of an incident", reply=TagSerializer)
    def get(self, request: Request, env: str, pk: int, tag: str) -> Response:
        for each in tags_of(self.find(env, pk, to_act=False)):
            if each["tag_id"] == tag:
                return Response(each)
        raise NotFound(f"The incident has no tag {tag}.")

    @Operation(
        "setIncidentTag",
        "Set a tag of an incident",
        body=TagValueSerializer,
        status=NOTHING,
        refused=(HTTPStatus.CONFLICT,),
    )
    def post(self, request: Request, env: str, pk: int, tag: str) -> Response:
        return done(_setting(self.find(env, pk), tag, self.sent()["tag_value"], self.person))

    @Operation("removeIncidentTag", "Remove a tag of an incident", status=NOTHING)
    def delete(self, request: Request, env: str, pk: int, tag: str) -> Response:
        return done(_setting(self.find(env, pk), tag, None, self.person), refused=HTTPStatus.NOT_FOUND)


class _Definitions(IncidentResource):
    tag = "Incident tags"
    permission_classes = (permits(Area.INCIDENTS, is_configuration=True),)

    def form(self, tag: IncidentTag | None) -> TagDefinitionForm:
        if not self.person.is_administrator:
            raise PermissionDenied("Only an administrator defines incident tags.")
        form = TagDefinitionForm(as_form(self.body(), tag), instance=tag)
        if not form.is_valid():
            names = {"kind": "type", "choices": "config"}
            raise ValidationError(
                {names.get(name, name): [str(each) for each in told] for name, told in form.errors.items()}
            )
        return form


class Definitions(_Definitions):
    @Operation(
        "listTagDefinitions", "List the incident tags that are defined", reply=TagDefinitionSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        tags = TagDefinitionSerializer(IncidentTag.objects.all(), many=True).data
        return Response([PRIORITY_DEFINITION, *tags])

    @Operation("createTagDefinition", "Define an incident tag", body=TagDefinitionSerializer, status=NOTHING)
    def post(self, request: Request) -> Response:
        tag_changes.create(self.form(None).draft, by=self.person)
        return Response(status=NOTHING)


class OneDefinition(_Definitions):
    @Operation("getTagDefinition", "Read the definition of an incident tag", reply=TagDefinitionSerializer)
    def get(self, request: Request, tag: str) -> Response:
        is_priority = tag == PRIORITY
        return Response(PRIORITY_DEFINITION if is_priority else TagDefinitionSerializer(_tag(tag)).data)

    @Operation(
        "changeTagDefinition",
        "Change the definition of an incident tag; what is left out stays as it is",
        body=TagDefinitionSerializer(partial=True),
        reply=TagDefinitionSerializer,
    )
    def put(self, request: Request, tag: str) -> Response:
        definition = _tag(tag)
        changed = tag_changes.edit(definition, self.form(definition).draft, by=self.person)
        return Response(TagDefinitionSerializer(changed).data)


def _setting(incident: Incident, tag_id: str, value: Any, by: User) -> Callable[[], object]:
    """Return a function that sets one tag, or removes it if there is no value. Raise ValidationError if the tag does not accept the value."""
    if tag_id == PRIORITY:
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


def as_form(sent: JSONDict, tag: IncidentTag | None) -> JSONDict:
    """Return a definition that was sent as data of TagDefinitionForm. A field that was not sent stays as it is."""
    known = TagDefinitionSerializer(tag).data if tag else {"active": True, "type": IncidentTag.Kind.TEXT.value}
    said = {**known, **sent}
    config = said.get("config")
    values = config.get("ordered_list") if isinstance(config, dict) else None
    choices = "\n".join(map(str, values)) if isinstance(values, list) else ""
    return {
        **{name: said.get(name) for name in ("name", "description", "active")},
        "kind": said["type"],
        "choices": choices,
    }
