"""POST /data/events/deployments/start and /end, as BigPanda's own clients, Ansible and Ruby send them (docs/wire-contract.md §8.5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import payload
from alerts.api.alerts import AlertsAPI
from alerts.sources.bigpanda import as_moment
from incidents import announce
from incidents.models import Deployment
from incidents.models.deployment import key_of

CREATED = {"response": {"status": "created"}}  # 200 with it: Ansible wants the one, Ruby reads the other
TEXT_LIMIT = 2048  # characters of a field
HOSTS_LIMIT = 1000


class Deployments(AlertsAPI):
    """One moment of a deployment. An org token is enough: a deployment belongs to no App Key."""

    def post(self, request: Request, moment: str) -> Response:
        try:
            sent = payload.parse(request.body, request.headers.get("Content-Encoding", ""))
        except RequestDataTooBig as error:
            raise payload.PayloadTooLarge from error
        if not isinstance(sent, dict):
            raise payload.BadPayload("A deployment is a JSON object with 'component', 'version' and 'hosts'.")
        (start if moment == "start" else end)(sent)
        transaction.on_commit(announce.announce)
        return Response(CREATED, HTTPStatus.OK)


@transaction.atomic
def start(sent: Mapping[str, Any]) -> Deployment:
    """A deployment begins; told twice, it is one still. Raises BadPayload, which names the field."""
    told = _told(sent)
    optional = {
        "owner": _text(sent, "owner"),
        "description": _text(sent, "description"),
        "source": _text(sent, "source") or _text(sent, "source_system"),
        "env": _text(sent, "env"),
        "properties": _properties(sent),
    }
    key = key_of(told["component"], told["version"], told["hosts"])
    running = Deployment.objects.select_for_update().filter(match_key=key, ended_at=None).first()
    deployment = running or Deployment(**told, match_key=key, started_at=_time(sent))
    for name, value in optional.items():
        setattr(deployment, name, value)
    deployment.save()
    return deployment


@transaction.atomic
def end(sent: Mapping[str, Any]) -> Deployment:
    """The latest matching one in progress ends; of one whose start was never told, the end is all that is known. Raises BadPayload."""
    told, at = _told(sent), _time(sent)
    status = _text(sent, "status") or Deployment.Status.SUCCESS
    if status not in (Deployment.Status.SUCCESS, Deployment.Status.FAILURE):
        raise payload.BadPayload("status: must be 'success' or 'failure'.")
    key = key_of(told["component"], told["version"], told["hosts"])
    running = (
        Deployment.objects.select_for_update().filter(match_key=key, ended_at=None).order_by("-started_at").first()
    )
    deployment = running or Deployment(**told, match_key=key, started_at=at)
    deployment.status = Deployment.Status(status)
    deployment.ended_at = max(at, deployment.started_at)
    deployment.error_message = _text(sent, "errorMessage")
    deployment.save()
    return deployment


def _told(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What every moment of a deployment names: the triple that start and end are matched by."""
    told = {name: _text(sent, name) for name in ("component", "version")}
    for name, value in told.items():
        if not value:
            raise payload.BadPayload(f"{name}: is required.")
    hosts = sent.get("hosts")
    if isinstance(hosts, str):
        hosts = [hosts]
    if not isinstance(hosts, list) or not hosts or not all(isinstance(host, str) and host.strip() for host in hosts):
        raise payload.BadPayload("hosts: must be an array with the name of at least one host.")
    if len(hosts) > HOSTS_LIMIT:
        raise payload.BadPayload(f"hosts: must be at most {HOSTS_LIMIT}.")
    return told | {"hosts": [_clean(host) for host in hosts]}


def _text(sent: Mapping[str, Any], name: str) -> str:
    value = sent.get(name)
    if value is None:
        return ""
    if isinstance(value, dict | list | bool):
        raise payload.BadPayload(f"{name}: must be text.")
    return _clean(str(value))


def _clean(text: str) -> str:
    """Without what no database takes, and not longer than anybody reads."""
    return text.replace("\0", "").encode("utf-8", "replace").decode().strip()[:TEXT_LIMIT]


def _properties(sent: Mapping[str, Any]) -> dict[str, str]:
    properties = sent.get("properties") or {}
    if not isinstance(properties, dict):
        raise payload.BadPayload("properties: must be an object of names and values.")
    return {_clean(name): _text(properties, name) for name in properties}


def _time(sent: Mapping[str, Any]) -> datetime:
    """Its `timestamp`, else now."""
    if sent.get("timestamp") in (None, ""):
        return timezone.now()
    moment = as_moment(sent["timestamp"])
    if moment is None:
        raise payload.BadPayload("timestamp: must be a Unix time in seconds.")
    return moment
