"""A console with chosen texts in every field that comes from outside or from people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.running_console import RunningConsole

PAYLOADS = Path(__file__).parents[1] / "alerts" / "payloads"


class Texts(NamedTuple):
    """Texts to fill in: a long one, a short one, one for URLs, a comment in Markdown, and tags."""

    long: str
    short: str
    url: str
    comment: str
    tags: dict[str, str | list[str]]


# Text that steers the console instead of being shown, or that no person and no sender can choose.
STEERING = [
    *(
        "people.User.password",
        "people.User.time_zone",
        "people.BrowserSession.session_key",
        "people.AuditEntry.entity_id",
    ),
    *("appkeys.AppKey.tool", "alerts.Alert.primary_property", "alerts.Alert.secondary_property"),
    *(
        "incidents.Activity.kind",
        "incidents.BulkAction.what",
        "incidents.BulkAction.matching",
        "incidents.Environment.query",
        "incidents.Membership.key",
    ),
    *("incidents.CorrelationPattern.filter", "incidents.PatternVersion.filter", "incidents.Matcher.source_system"),
    *("telemetry.Count.name", "telemetry.Gauge.name", "telemetry.Gauge.process"),
    "incidents.Deployment.match_key",
    "incidents.MaintenancePlan.condition",
]
# Structures whose every text is shown.
SHOWN = [
    *(
        "alerts.Alert.notes",
        "alerts.Mapping.config",
        "alerts.Mapping.sample",
        "alerts.Refusal.reasons",
        "people.AuditEntry.changes",
    ),
    *(
        "incidents.Deployment.properties",
        "incidents.Incident.sources",
        "incidents.Incident.names",
        "incidents.Incident.shared_with",
        "incidents.Matcher.values",
    ),
    *("incidents.IncidentTag.choices", "incidents.IncidentTagValue.values", "incidents.PatternVersion.tags"),
    "incidents.CorrelationPattern.tags",
]

FILL = """
from django.apps import apps
from django.db import models

from alerts.models import Alert, Event
from incidents import actions
from incidents.models import Activity, Incident
from people.models import User

def filled(value, text):
    match value:
        case str():
            return text
        case dict():
            return {name: filled(each, text) for name, each in value.items()}
        case list():
            return [filled(each, text) for each in value]
        case _:
            return value

admin = User.objects.get(username="admin")
Kind, other = Activity.Kind, Incident.objects.latest("pk")
origin, listed = {"title": LONG, "alerts": 2}, {"identifiers": [LONG, URL], "count": 2}
made = {"incidents": [{"incident": other.pk, "title": LONG, "alerts": 2}, {"incident": other.pk, "value": URL, "alerts": 1}]}
TOLD = {
    **dict.fromkeys((Kind.CREATED, Kind.REOPENED, Kind.RESOLVED_BY_ALERTS), {"identifier": LONG}),
    **dict.fromkeys((Kind.TAG_UPDATED, Kind.TAG_REMOVED), {"name": LONG, "is": [LONG, URL], "was": [LONG, URL]}),
    **dict.fromkeys((Kind.MERGED_INTO_THIS, Kind.SPLIT_FROM_THIS), made),
    Kind.ALERTS_JOINED: listed,
    Kind.ASSIGNED: {"to": LONG},
    Kind.PRIORITISED: {"priority": LONG, "was": URL},
    Kind.MERGED_AWAY: {**origin, "into": other.pk},
    Kind.SPLIT_OFF: {**origin, "from": other.pk},
    Kind.MOVED_AWAY: {**origin, **listed, "to": other.pk},
    Kind.MOVED_HERE: {**origin, **listed, "from": other.pk},
}
for incident in Incident.objects.all():
    actions.comment(incident, by=admin, text=COMMENT)
    Activity.objects.bulk_create(
        Activity(incident=incident, kind=kind, at=incident.changed_at, by=admin, comment=COMMENT, details=details)
        for kind, details in TOLD.items()
    )
for model in apps.get_models():
    if model._meta.app_label not in ("people", "appkeys", "alerts", "incidents"):
        continue
    together = {"name", *(name for each in model._meta.constraints for name in getattr(each, "fields", ()))}
    for place, row in enumerate(model.objects.order_by("pk")):
        changes = {}
        for field in model._meta.concrete_fields:
            named = f"{model._meta.app_label}.{model.__name__}.{field.name}"
            text = URL if place % 3 == 2 else LONG
            if isinstance(field, models.JSONField) and named in SHOWN:
                changes[field.name] = filled(getattr(row, field.name), text)
            is_text = isinstance(field, models.CharField | models.TextField) and not field.choices
            if not is_text or named in STEERING or field.name.endswith(("digest", "suffix")):
                continue
            room = (field.max_length or 10_000) - len(str(row.pk))
            text = text if len(text) <= room else SHORT if len(SHORT) <= room else SHORT[:room]
            changes[field.name] = f"{text}{row.pk}" if field.unique or field.name in together else text
        if isinstance(row, Incident):
            changes["shared_tags"] = TAGS
        if isinstance(row, Alert | Event):
            changes["tags"] = TAGS | {name: f"{LONG}{row.pk}" for name in row.tags}
        model.objects.filter(pk=row.pk).update(**changes)
"""


def _prolonged(payload: Any, text: str) -> Any:
    """Return the payload of a tool with this text appended to each of its texts."""
    match payload:
        case str():
            return payload + text
        case dict():
            return {name: _prolonged(value, text) for name, value in payload.items()}
        case list():
            return [_prolonged(each, text) for each in payload]
        case _:
            return payload


def _widened(payload: Any, text: str) -> Any:
    """Return the payload with this text as the name and value of one more field in each object."""
    match payload:
        case dict():
            return {name: _widened(value, text) for name, value in payload.items()} | {text: text}
        case list():
            return [_widened(each, text) for each in payload]
        case _:
            return payload


def fill_every_field(console: RunningConsole, texts: Texts) -> None:
    """Send the texts through every endpoint and form, then write them to the fields that only a mistake of ours could fill."""
    token, app_key = (
        console.manage("create_org_token", "Sender", "--all-app-keys"),
        console.manage("create_app_key", "Sender"),
    )
    long, short, url, comment, tags = texts

    def answer(path: str, body: object) -> int:
        sent = Request(
            f"{console.url}{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "X-App-Key": app_key, "Content-Type": "application/json"},
        )
        try:
            with urlopen(sent, timeout=60) as reply:
                return int(reply.status)
        except HTTPError as refused:
            with refused:
                return refused.code

    def post(path: str, body: object) -> None:
        assert (answered := answer(path, body)) in (200, 201), answered

    for number in range(3):
        alert = {"status": "critical", "host": f"{short}{number}", "check": long, "description": long}
        post("/data/v2/alerts", alert | tags)
    post(
        "/data/v2/alerts",
        {"alerts": [{"status": "ok", "host": short, "check": url}, {"status": "warning", "host": long}]},
    )
    rollout = {"component": long, "version": url, "hosts": [f"{short}0", long], "description": long}
    post("/data/events/deployments/start", {**rollout, "properties": {long: url}})
    for file in PAYLOADS.glob("*/*-fire.json"):
        if file.parent.name == "cloudwatch":  # has a signature, which this would break
            continue
        for each in (_prolonged, _widened):
            answered = answer(f"/oim/{file.parent.name}/alerts", each(json.loads(file.read_bytes()), long))
            assert answered < 500, f"{file.name}: {answered}"  # what is refused is shown by the doctor
    console.wait_for_correlation()
    named = {
        "LONG": long,
        "SHORT": short,
        "URL": url,
        "COMMENT": comment,
        "TAGS": tags,
        "STEERING": STEERING,
        "SHOWN": SHOWN,
    }
    console.manage("shell", "-c", "\n".join(f"{name} = {value!r}" for name, value in named.items()) + FILL)
