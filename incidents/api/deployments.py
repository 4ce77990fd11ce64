"""POST /data/events/deployments/start and /end, as BigPanda's own clients, Ansible and Ruby send them (docs/wire-contract.md §8.5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import empty
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import payload
from alerts.api.alerts import AlertsAPI
from alerts.sources.bigpanda import as_moment
from appkeys.authentication import Scope, has_scope
from appkeys.models import OrgToken
from incidents import announce
from incidents.models import Deployment
from incidents.models.deployment import key_of
from people.api.fields import Described, refuse
from people.api.operation import JSONDict, Operation, OperationView

CREATED = {"response": {"status": "created"}}  # 200 with it: Ansible wants the one, Ruby reads the other
TEXT_LIMIT = 2048  # characters of a field
HOSTS_LIMIT = 1000


class _Text(Described):
    """A text, or a number as text. Characters that no database holds are left out, and a long text is cut."""

    def __init__(self, about: str = "", *, required: bool = False) -> None:
        schema: JSONDict = {"type": ["string", "number"], "maxLength": TEXT_LIMIT, "description": about}
        super().__init__(schema, schema, required=required, allow_null=not required)

    def run_validation(self, data: Any = empty) -> str:
        if isinstance(data, dict | list | bool):
            refuse("must be text.")
        text = "" if data is None or data is empty else _clean(str(data))
        return refuse("is required.") if self.required and not text else text


class _Hosts(Described):
    """The names of hosts. One name may stand without a list."""

    RULE = "must be an array with the name of at least one host."

    def __init__(self, about: str) -> None:
        name = {"type": "string", "minLength": 1, "maxLength": TEXT_LIMIT}
        names = {"type": "array", "items": name, "minItems": 1, "maxItems": HOSTS_LIMIT}
        super().__init__({"anyOf": [names, name], "description": about}, names)

    def run_validation(self, data: Any = empty) -> list[str]:
        hosts = [data] if isinstance(data, str) else data
        if (
            not isinstance(hosts, list)
            or not hosts
            or not all(isinstance(each, str) and each.strip() for each in hosts)
        ):
            refuse(self.RULE)
        if len(hosts) > HOSTS_LIMIT:
            refuse(f"must be at most {HOSTS_LIMIT}.")
        return [_clean(each) for each in hosts]


class _Time(serializers.IntegerField):
    """A time in the forms that the Alerts API accepts. The time of receipt is the default."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, min_value=0, **options)

    def run_validation(self, data: Any = empty) -> datetime:
        if data in (empty, None, ""):
            return timezone.now()
        return as_moment(data) or refuse("must be a Unix time in seconds.")


class _Properties(Described):
    """Names and values."""

    def __init__(self, about: str) -> None:
        value = {"type": ["string", "number", "null"], "maxLength": TEXT_LIMIT}
        schema: JSONDict = {"type": "object", "additionalProperties": value, "description": about}
        super().__init__(schema, schema, required=False, allow_null=True)

    def run_validation(self, data: Any = empty) -> JSONDict:
        properties = {} if data is empty else data or {}
        return properties if isinstance(properties, dict) else refuse("must be an object of names and values.")


class _Status(serializers.ChoiceField):
    """The result of a deployment, which is success by default."""

    def run_validation(self, data: Any = empty) -> Deployment.Status:
        said = _Text().run_validation(data) or Deployment.Status.SUCCESS
        return Deployment.Status(said) if said in self.choices else refuse("must be 'success' or 'failure'.")


class _DeploymentSerializer(serializers.Serializer[Any]):
    """The properties by which an end is matched to its start."""

    component = _Text("What is rolled out.", required=True)
    version = _Text("Which version of it.", required=True)
    hosts = _Hosts("Where. With `component` and `version` it is what an end is matched to its start by.")
    timestamp = _Time(help_text="When, in Unix seconds; the time of receipt by default.")


class DeploymentStartSerializer(_DeploymentSerializer):
    owner = _Text("Who is responsible.")
    description = _Text()
    source = _Text("What told of it; `source_system` is taken too.")  # type: ignore[assignment]
    source_system = _Text()
    env = _Text("Which environment it goes to, as `stage`.")
    properties = _Properties("Names and values of your own.")

    def validate(self, attrs: JSONDict) -> JSONDict:
        """Read the properties as texts. A property that is wrong is refused by its own name."""
        properties, errors = {}, {}
        for name, value in attrs["properties"].items():
            try:
                properties[_clean(name)] = _Text().run_validation(value)
            except ValidationError as refusal:
                errors[name] = refusal.detail
        if errors:
            raise ValidationError(errors)
        return attrs | {"properties": properties}


class DeploymentEndSerializer(_DeploymentSerializer):
    status = _Status(
        [Deployment.Status.SUCCESS.value, Deployment.Status.FAILURE.value],
        required=False,
        help_text="How it went; `success` by default.",
    )
    errorMessage = _Text("What went wrong.")  # noqa: N815 - its name on the wire


class _StatusSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["created"])

    class Meta:
        ref_name = "DeploymentStatus"


class DeploymentReplySerializer(serializers.Serializer[Any]):
    """The reply to a start and to an end. For the document only."""

    response = _StatusSerializer()


class _Deployments(OperationView, AlertsAPI):
    """A view of deployments. An org token is enough, because a request names no App Key.

    What a limited token reports stands beside alerts of its App Keys alone.
    """

    tag = "Deployments"
    permission_classes = (has_scope(Scope.DEPLOYMENTS),)

    def sent(self) -> JSONDict:
        token = cast(OrgToken, self.request.auth)
        app_keys = sorted(token.app_keys.values_list("pk", flat=True)) if token.is_limited else None
        return {**super().sent(), "app_key_ids": app_keys}

    def body(self) -> JSONDict:
        try:
            sent = payload.parse(self.request.body, self.request.headers.get("Content-Encoding", ""))
        except RequestDataTooBig as error:
            raise payload.PayloadTooLarge from error
        if not isinstance(sent, dict):
            raise payload.BadPayload("A deployment is a JSON object with 'component', 'version' and 'hosts'.")
        return sent


class DeploymentStart(_Deployments):
    @Operation(
        "startDeployment",
        "A deployment begins; no App Key is needed",
        body=DeploymentStartSerializer,
        reply=DeploymentReplySerializer,
    )
    def post(self, request: Request) -> Response:
        return _recorded(start, self.sent())


class DeploymentEnd(_Deployments):
    @Operation(
        "endDeployment",
        "The matching deployment in progress ends",
        body=DeploymentEndSerializer,
        reply=DeploymentReplySerializer,
    )
    def post(self, request: Request) -> Response:
        return _recorded(end, self.sent())


def _recorded(record: Callable[[JSONDict], object], sent: JSONDict) -> Response:
    record(sent)
    transaction.on_commit(announce.announce)
    return Response(CREATED)


@transaction.atomic
def start(sent: JSONDict) -> Deployment:
    """Record the start of a deployment. A start that is sent twice is one deployment, with the properties of the second."""
    deployment = _in_progress(sent)
    deployment.source = sent["source"] or sent["source_system"]
    for name in ("owner", "description", "env", "properties"):
        setattr(deployment, name, sent[name])
    deployment.save()
    return deployment


@transaction.atomic
def end(sent: JSONDict) -> Deployment:
    """End the latest matching deployment in progress. If no start was sent, the deployment has the time of its end only."""
    deployment = _in_progress(sent)
    deployment.status, deployment.error_message = sent["status"], sent["errorMessage"]
    deployment.ended_at = max(sent["timestamp"], deployment.started_at)
    deployment.save()
    return deployment


def _in_progress(sent: JSONDict) -> Deployment:
    """Return the latest deployment in progress with the same component, version and hosts, or a new one."""
    named = {name: sent[name] for name in ("component", "version", "hosts", "app_key_ids")}
    key = key_of(**named)
    running = Deployment.objects.select_for_update().filter(match_key=key, ended_at=None).order_by("-started_at")
    return running.first() or Deployment(**named, match_key=key, started_at=sent["timestamp"])


def _clean(text: str) -> str:
    """Return a text without characters that no database holds, and not longer than people read."""
    return text.replace("\0", "").encode("utf-8", "replace").decode().strip()[:TEXT_LIMIT]
