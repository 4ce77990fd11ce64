"""Routes for the mappings of App Keys and their versions (docs/wire-contract.md §9.2)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import payload
from alerts.api.alerts import AlertsAPI, error_response
from alerts.mapping import mapping
from alerts.models import Mapping
from alerts.sources.oim import BadConfig
from appkeys.authentication import Scope, app_keys_of, has_scope
from appkeys.models import AppKey, OrgToken
from people.api.operation import Operation, OperationView

BAD_REQUEST = HTTPStatus.BAD_REQUEST


class VersionSerializer(serializers.Serializer[Any]):
    """A version of a mapping, without its sample."""

    config = serializers.JSONField(help_text="Which fields of a payload become what of an alert.")
    version = serializers.IntegerField(read_only=True)
    is_current = serializers.BooleanField(read_only=True)
    created_at = serializers.SerializerMethodField()
    created_by = serializers.SerializerMethodField()
    note = serializers.CharField(read_only=True)

    class Meta:
        ref_name = "MappingVersion"

    def get_created_at(self, version: Mapping) -> str:
        return version.created_at.isoformat()

    def get_created_by(self, version: Mapping) -> str | None:
        return version.created_by.username if version.created_by else None


class MappingSerializer(VersionSerializer):
    sample_payload = serializers.JSONField(source="sample", help_text="What the tool sends, to try the mapping on.")

    class Meta:
        ref_name = "Mapping"


class DiffQuerySerializer(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        about = "The number of a version; the one before by default."
        return {"with": serializers.IntegerField(required=False, min_value=0, help_text=about)}


class DiffSerializer(serializers.Serializer[Any]):
    """The changes of a version. Only the API document uses this serializer."""

    to = serializers.IntegerField()
    lines = serializers.ListField(child=serializers.CharField(), help_text="As `diff -u` writes them.")

    class Meta:
        ref_name = "MappingDifference"

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {"from": serializers.IntegerField(), **super().get_fields()}


class _Configurations(OperationView, AlertsAPI):
    tag = "Mappings"
    permission_classes = (has_scope(Scope.MAPPINGS),)

    @property
    def token(self) -> OrgToken:
        return cast(OrgToken, self.request.auth)

    def app_key(self, secret: str) -> AppKey:
        app_key = app_keys_of(self.request)(secret)
        if app_key is None:
            raise NotFound("The App Key is not known here; check it, or create one under Integrations.")
        return app_key

    def version(self, secret: str, number: int) -> Mapping:
        found = self.app_key(secret).mappings.filter(version=number).first()
        if found is None:
            raise NotFound(f"There is no version {number} of this mapping.")
        return found


class Configuration(_Configurations):
    """The App Key in the URL is the integration's secret, as BigPanda has it."""

    @Operation("getMapping", "Read the mapping that counts", reply=MappingSerializer)
    def get(self, request: Request, app_key: str) -> Response:
        found = mapping.current(self.app_key(app_key))
        if found is None:
            raise NotFound("This App Key has no mapping. POST one here, or make it on the integration's page.")
        return Response(MappingSerializer(found).data)

    @Operation(
        "createMapping", "Create the next version of the mapping", body=MappingSerializer, reply=MappingSerializer
    )
    def post(self, request: Request, app_key: str) -> Response:
        body = payload.parse(request.body, request.headers.get("Content-Encoding", ""))
        if not isinstance(body, dict) or "config" not in body or "sample_payload" not in body:
            return error_response(BAD_REQUEST, ["config and sample_payload are required, in one object"])
        note = f"Over the API, with the org token {self.token}"[:200]
        try:
            made = mapping.save(self.app_key(app_key), body["config"], body["sample_payload"], by=self.token, note=note)
        except BadConfig as error:
            return error_response(BAD_REQUEST, [str(error)])
        return Response(MappingSerializer(made).data)

    @Operation("switchMappingOff", "Use no mapping any more; its versions stay", status=HTTPStatus.NO_CONTENT)
    def delete(self, request: Request, app_key: str) -> Response:
        mapping.switch_off(self.app_key(app_key), by=self.token)
        return Response(status=HTTPStatus.NO_CONTENT)


class Versions(_Configurations):
    @Operation("listMappingVersions", "List all versions, the newest first", reply=VersionSerializer(many=True))
    def get(self, request: Request, app_key: str) -> Response:
        versions = self.app_key(app_key).mappings.select_related("created_by")
        return Response(VersionSerializer(versions, many=True).data)


class Version(_Configurations):
    @Operation("getMappingVersion", "Read a version", reply=MappingSerializer)
    def get(self, request: Request, app_key: str, number: int) -> Response:
        return Response(MappingSerializer(self.version(app_key, number)).data)


class Diff(_Configurations):
    @Operation(
        "compareMappingVersions",
        "What a version changed, against another version",
        query=DiffQuerySerializer,
        reply=DiffSerializer,
    )
    def get(self, request: Request, app_key: str, number: int) -> Response:
        new = self.version(app_key, number)
        other = request.query_params.get("with", str(number - 1))
        if not other.isdecimal() or len(other) > 9:
            return error_response(BAD_REQUEST, ["with: must be the number of a version"])
        old = None if other == "0" else self.version(app_key, int(other))
        return Response({"from": int(other), "to": number, "lines": mapping.difference(old, new)})


class Restore(_Configurations):
    @Operation(
        "restoreMappingVersion",
        "Make a version the one that counts, as a new version",
        reply=MappingSerializer,
        refused=(BAD_REQUEST,),
    )
    def post(self, request: Request, app_key: str, number: int) -> Response:
        try:
            return Response(MappingSerializer(mapping.restore(self.version(app_key, number), by=self.token)).data)
        except BadConfig as error:
            return error_response(BAD_REQUEST, [str(error)])
