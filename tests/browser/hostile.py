"""Texts of somebody who wishes the readers ill, in every field that comes from outside or from people."""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

from tests.running_console import RunningConsole

MARKUP = (
    "\N{RIGHT-TO-LEFT OVERRIDE}\"'><img src=x id=pwned onerror=pwned()><script>pwned()</script><svg onload=pwned()>"
    "<a href=javascript:pwned() data-pwned hx-get=/pwned hx-trigger=load>{{7*7}}{%csrf_token%}${7*7}</a>\a\x1b]0;pwned\a"
)
SHORT = "\"'><b id=pwned onclick=pwned()>"
LINK = "javascript:pwned()"
MARKDOWN = f'[here]({LINK}) ![there]({LINK}) <{LINK}> <img src=x onerror=pwned()> [x](https://x.example/"onclick=pwned()) {MARKUP}'
TAGS = {
    MARKUP: MARKUP,
    "link": LINK,
    "disguised": " jAvAsCrIpT\t:pwned()",
    "data": "data:text/html,<script>pwned()</script>",
    "runbook": 'https://runbook.example/"onmouseover="pwned()"data-pwned="\'><img id=pwned>',
    "several": [LINK, SHORT, "https://x.example/<b id=pwned>"],
}

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
        "incidents.BulkAction.what",
        "incidents.BulkAction.matching",
        "incidents.Environment.query",
        "incidents.Membership.key",
    ),
    *("incidents.CorrelationPattern.filter", "incidents.PatternVersion.filter", "incidents.Matcher.source_system"),
    "incidents.Deployment.match_key",
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
        "incidents.Matcher.values",
    ),
    *("incidents.IncidentTag.choices", "incidents.IncidentTagValue.values", "incidents.PatternVersion.tags"),
    "incidents.CorrelationPattern.tags",
]

SPOIL = """
from django.apps import apps
from django.db import models

from alerts.models import Alert, Event
from incidents import lifecycle
from incidents.models import Incident
from people.models import User

def spoiled(value, bad):
    match value:
        case str():
            return bad
        case dict():
            return {name: spoiled(each, bad) for name, each in value.items()}
        case list():
            return [spoiled(each, bad) for each in value]
        case _:
            return value

admin = User.objects.get(username="admin")
for incident in Incident.objects.all():
    lifecycle.comment(incident, by=admin, text=MARKDOWN)
for model in apps.get_models():
    if model._meta.app_label not in ("people", "appkeys", "alerts", "incidents"):
        continue
    for place, row in enumerate(model.objects.order_by("pk")):
        changes = {}
        for field in model._meta.concrete_fields:
            named = f"{model._meta.app_label}.{model.__name__}.{field.name}"
            bad = LINK if place % 3 == 2 else MARKUP
            if isinstance(field, models.JSONField) and named in SHOWN:
                changes[field.name] = spoiled(getattr(row, field.name), bad)
            is_text = isinstance(field, models.CharField | models.TextField) and not field.choices
            if not is_text or named in STEERING or field.name.endswith(("digest", "suffix")):
                continue
            room = (field.max_length or 10_000) - len(str(row.pk))
            bad = bad if len(bad) <= room else SHORT if len(SHORT) <= room else SHORT[:room]
            changes[field.name] = f"{bad}{row.pk}" if field.unique or field.name == "name" else bad
        if isinstance(row, Incident):
            changes["shared_tags"] = TAGS
        if isinstance(row, Alert | Event):
            changes["tags"] = TAGS | {name: f"{MARKUP}{row.pk}" for name in row.tags}
        model.objects.filter(pk=row.pk).update(**changes)
"""


def spoil(console: RunningConsole) -> None:
    """Send such texts through every door, then put them where only a mistake of ours could let them in."""
    token, app_key = console.manage("create_org_token", "Foe"), console.manage("create_app_key", "Foe")

    def post(path: str, body: object) -> None:
        sent = Request(
            f"{console.url}{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "X-App-Key": app_key, "Content-Type": "application/json"},
        )
        with urlopen(sent, timeout=60) as reply:
            assert reply.status in (200, 201), reply.status

    for number in range(3):
        post(
            "/data/v2/alerts",
            {"status": "critical", "host": f"{SHORT}{number}", "check": MARKUP, "description": MARKUP, **TAGS},
        )
    post(
        "/data/v2/alerts",
        {"alerts": [{"status": "ok", "host": SHORT, "check": LINK}, {"status": "warning", "host": MARKUP}]},
    )
    rollout = {
        "component": MARKUP,
        "version": LINK,
        "hosts": [f"{SHORT}0", MARKUP],
        "description": MARKUP,
        "properties": {MARKUP: LINK},
    }
    post("/data/events/deployments/start", rollout)
    texts = {
        "MARKUP": MARKUP,
        "SHORT": SHORT,
        "LINK": LINK,
        "MARKDOWN": MARKDOWN,
        "TAGS": TAGS,
        "STEERING": STEERING,
        "SHOWN": SHOWN,
    }
    console.manage("shell", "-c", "\n".join(f"{name} = {value!r}" for name, value in texts.items()) + SPOIL)
