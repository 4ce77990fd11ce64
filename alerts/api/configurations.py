"""Routes for mappings: /configurations/alerts/oim/{app_key}, its versions, their differences, and restoring (docs/wire-contract.md §9.2)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import payload
from alerts.api.alerts import AlertsAPI, error_response
from alerts.mapping import mapping
from alerts.models import Mapping
from alerts.sources.oim import BadConfig
from appkeys.authentication import app_keys_of
from appkeys.models import AppKey


class Configuration(AlertsAPI):
    """GET the configuration that counts, POST a new one. The App Key in the URL is the integration's secret, as BigPanda has it."""

    def get(self, request: Request, app_key: str) -> Response:
        found = mapping.current(_app_key(request, app_key))
        if found is None:
            raise NotFound("This App Key has no mapping. POST one here, or make it on the integration's page.")
        return Response(_shown(found))

    def post(self, request: Request, app_key: str) -> Response:
        body = payload.parse(request.body, request.headers.get("Content-Encoding", ""))
        if not isinstance(body, dict) or "config" not in body or "sample_payload" not in body:
            return error_response(HTTPStatus.BAD_REQUEST, ["config and sample_payload are required, in one object"])
        try:
            made = mapping.save(
                _app_key(request, app_key), body["config"], body["sample_payload"], by=None, note=_said_by(request)
            )
        except BadConfig as error:
            return error_response(HTTPStatus.BAD_REQUEST, [str(error)])
        return Response(_shown(made))

    def delete(self, request: Request, app_key: str) -> Response:
        mapping.switch_off(_app_key(request, app_key), by=None)
        return Response(status=HTTPStatus.NO_CONTENT)


class Versions(AlertsAPI):
    """All versions, the newest first."""

    def get(self, request: Request, app_key: str) -> Response:
        return Response(
            [
                _shown(each, with_sample=False)
                for each in _app_key(request, app_key).mappings.select_related("created_by")
            ]
        )


class Version(AlertsAPI):
    def get(self, request: Request, app_key: str, number: int) -> Response:
        return Response(_shown(_version(request, app_key, number)))


class Diff(AlertsAPI):
    """What a version changed: against the one before it, or against `?with=<version>`."""

    def get(self, request: Request, app_key: str, number: int) -> Response:
        new = _version(request, app_key, number)
        other = request.query_params.get("with", str(number - 1))
        if not other.isdecimal() or len(other) > 9:
            return error_response(HTTPStatus.BAD_REQUEST, ["with: must be the number of a version"])
        old = None if other == "0" else _version(request, app_key, int(other))
        return Response({"from": int(other), "to": number, "lines": mapping.difference(old, new)})


class Restore(AlertsAPI):
    def post(self, request: Request, app_key: str, number: int) -> Response:
        try:
            return Response(_shown(mapping.restore(_version(request, app_key, number), by=None)))
        except BadConfig as error:
            return error_response(HTTPStatus.BAD_REQUEST, [str(error)])


def _app_key(request: Request, secret: str) -> AppKey:
    app_key = app_keys_of(request)(secret)
    if app_key is None:
        raise NotFound("The App Key is not known here; check it, or create one under Integrations.")
    return app_key


def _version(request: Request, secret: str, number: int) -> Mapping:
    found = _app_key(request, secret).mappings.filter(version=number).first()
    if found is None:
        raise NotFound(f"There is no version {number} of this mapping.")
    return found


def _said_by(request: Request) -> str:
    return f"Over the API, with the org token {request.auth}"[:200]


def _shown(version: Mapping, *, with_sample: bool = True) -> dict[str, Any]:
    told = {
        "config": version.config,
        "version": version.version,
        "is_current": version.is_current,
        "created_at": version.created_at.isoformat(),
        "created_by": version.created_by.username if version.created_by else None,
        "note": version.note,
    }
    return told | ({"sample_payload": version.sample} if with_sample else {})
