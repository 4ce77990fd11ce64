"""Tests of who may see an incident: every route of the URL map, called by everybody, over data that could leak.

The word SECRET is in every part of incidents that an environment keeps for one role. Nobody else may find it in any
answer, and nothing that the others send may change those incidents. A new route is called without any change of this
file, unless its parameters are of a new kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from io import StringIO
from itertools import product
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.management import call_command
from django.db import transaction
from django.test import Client, TestCase
from django.utils import timezone
from django.utils.http import urlencode

from alerts.health import inbox
from alerts.models import Alert
from appkeys.models import AppKey, OrgToken
from bigpanda_site import celery_app, live_stream
from incidents import actions
from incidents.actions import bulk
from incidents.environments import changes as environment_changes
from incidents.environments import placement
from incidents.environments.changes import Draft
from incidents.maintenance import changes as maintenance_changes
from incidents.models import Activity, CorrelationPattern, Environment, Incident, IncidentTag, Wallboard
from incidents.patterns import changes as pattern_changes
from incidents.patterns import trials
from incidents.replay import shadow
from people.models import ApiKey, Area, BuiltIn, Level, Role, User
from people.permission_matrix import Route, routes

pytestmark = pytest.mark.django_db

SECRET = "zanzibar"
SEARCH = "host = *nziba*"  # finds it without naming it: a page repeats what was asked
FULL = {str(area): str(Level.FULL) for area in Area}

# Routes that are not called, with the reason.
NOT_CALLED = {
    "/logout": "it ends the session of the caller and shows nothing",
    "/me/password": "it ends the sessions of the caller and shows nothing",
    "/me/sessions/end": "it ends sessions of the caller and shows nothing",
    "/integrations": "it leads to /integrations/",
}


@dataclass
class Reader:
    """Somebody who asks, with a browser or a program."""

    client: Client
    role: Role | None = None  # of a person with a browser
    may_see: bool = False  # the restricted incidents
    calls_resources: bool = False
    wall: str = ""  # the secret of a wallboard's link
    is_thorough: bool = True  # calls every example of a route, and not only the first one
    takes_parts: bool = False  # also asks for the parts that htmx asks for


@dataclass
class World:
    """A console with incidents that an environment keeps for one role."""

    people: dict[str, User] = field(default_factory=dict)
    readers: dict[str, Reader] = field(default_factory=dict)
    hidden: list[Incident] = field(default_factory=list)
    public: list[Incident] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)


def send(secret: str, body: Any, path: str = "/data/v2/alerts") -> Any:
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    with TestCase.captureOnCommitCallbacks(execute=True):
        reply = client.post(path, json.dumps(body), content_type="application/json")
    assert reply.status_code < 500, reply.content
    return reply


def browser_of(user: User) -> Client:
    client = Client(raise_request_exception=True)
    client.force_login(user)
    session = client.session
    session["confirmed_at"] = int(timezone.now().timestamp())
    session.save()
    return client


def incident_of(host: str) -> Incident:
    found = Alert.objects.get(tags__host=host).incident
    assert found
    return found


def furnish() -> World:
    world = World()
    _let_people_in(world)
    _send_alerts(world)
    with TestCase.captureOnCommitCallbacks(execute=True):
        _act_before_the_restriction(world)
    with TestCase.captureOnCommitCallbacks(execute=True):
        _restrict(world)
    with TestCase.captureOnCommitCallbacks(execute=True):
        _regroup(world)
    with TestCase.captureOnCommitCallbacks(execute=True):
        _look_back(world)
    _come_later(world)
    with TestCase.captureOnCommitCallbacks(execute=True):
        _let_programs_in(world)
    return world


def _let_people_in(world: World) -> None:
    everything_but = {**FULL, Area.PEOPLE: str(Level.READ)}
    roles = {
        "administrator": Role.objects.built_in(BuiltIn.ADMIN),
        "member": Role.objects.create(name="Vault team", permissions=everything_but),
        "outsider": Role.objects.create(name="All but the vault", permissions=everything_but),
        "viewer": Role.objects.built_in(BuiltIn.VIEWER),
    }
    for name, role in roles.items():
        user = User.objects.create_user(name, email=f"{name}@example.com", password="x", role=role)
        world.people[name] = user
        world.readers[name] = Reader(browser_of(user), role, may_see=name in ("administrator", "member"))
    world.readers["outsider"].takes_parts = True
    world.readers["member"].is_thorough = False
    world.readers["viewer"].is_thorough = False
    world.readers["nobody"] = Reader(Client(), is_thorough=False)


def _send_alerts(world: World) -> None:
    CorrelationPattern.objects.all().delete()
    pattern_changes.create(pattern_changes.Draft(("cluster",), 60), by=world.people["administrator"])
    key, secret = AppKey.issue(name="Nagios")
    token, token_secret = OrgToken.issue(name="Senders")
    world.values |= {"app_key": key, "app_key_secret": secret, "token": token, "sender": token_secret}
    inbox.watch(key)

    batches = [
        [alert(f"{SECRET}-alone", "vault", cluster=f"{SECRET}-a", runbook=f"https://example.com/{SECRET}")],
        [alert(f"{SECRET}-into", "vault", cluster=f"{SECRET}-b"), alert("web-1", "shop", cluster="c")],
        [alert(f"{SECRET}-merged", "vault", cluster=f"{SECRET}-d")],
        [
            alert(f"{SECRET}-first", "vault", cluster="e"),
            alert("web-2", "shop", cluster="e"),
            alert("web-3", "shop", cluster="e"),
        ],
        [alert("web-4", "shop", cluster="f"), {"host": f"{SECRET}-rejected", "status": "nonsense"}],
        [{**alert(f"{SECRET}-ok", "vault"), "status": "ok"}],
    ]
    for batch in batches:
        send(token_secret, {"app_key": secret, "alerts": batch})
    whole = {
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "Full", "instance": host, "team": team, "severity": "critical"},
                "annotations": {},
                "startsAt": timezone.now().isoformat(),
            }
            for host, team in ((f"{SECRET}-grafana", "vault"), ("web-9", "shop"))
        ]
    }
    assert send(token_secret, whole, f"/oim/prometheus/alerts?app_key={secret}").status_code == 201


def alert(host: str, team: str, **tags: str) -> dict[str, str]:
    own = {"note": f"{SECRET} in a tag"} if team == "vault" else {}
    return {"status": "critical", "host": host, "team": team, **own, **tags}


def _act_before_the_restriction(world: World) -> None:
    """Act while everything is open. What the outsider did then must not be a way in later."""
    outsider, admin = world.people["outsider"], world.people["administrator"]
    alone, into, public = (incident_of(host) for host in (f"{SECRET}-alone", f"{SECRET}-into", "web-1"))
    actions.acknowledge(alone, by=outsider)
    drafted = bulk.draft("acknowledge", Incident.objects.filter(pk__in=[alone.pk, into.pk, public.pk]), by=admin)
    bulk.start(drafted, actions.Acknowledge())
    bulk.run(drafted.pk)
    world.values["bulk"] = drafted
    asked = bulk.draft("resolve", Incident.objects.filter(pk__in=[alone.pk]), by=outsider)
    world.values["asked"] = asked
    actions.comment(alone, by=outsider, text=f"{SECRET} in a comment")
    world.values["comment"] = Activity.objects.get(incident=alone, kind=Activity.Kind.COMMENTED)
    tag = IncidentTag.objects.create(name="Area", kind=IncidentTag.Kind.TEXT)
    actions.set_tag(alone, tag, [f"{SECRET} tag"], by=admin)
    actions.share(alone, by=admin, people=[outsider, world.people["member"]])
    world.values["tag"] = tag


def _restrict(world: World) -> None:
    admin, member = world.people["administrator"], world.people["member"]
    draft = Draft("Vault", "", "team = vault", "", [member.role_id], [member.role_id])
    world.values["environment"] = environment_changes.create(draft, by=admin)
    open_to_all = Draft("Everything", "", "", "", [], [])
    world.values["open_environment"] = environment_changes.create(open_to_all, by=admin)


def _regroup(world: World) -> None:
    admin = world.people["administrator"]
    into, merged, first = (incident_of(f"{SECRET}-{name}") for name in ("into", "merged", "first"))
    public = incident_of("web-1")
    actions.comment(merged, by=admin, text=f"{SECRET} in the comment of a merged incident")
    actions.merge(into, [merged], by=admin, comment=f"{SECRET} in the comment of a merge")
    apart, moved = (Alert.objects.get(tags__host=name).pk for name in ("web-2", "web-3"))
    led = [actions.split(first, [apart], by=admin), actions.move(first, [moved], to=public, by=admin)]
    world.values["undoable"] = [pk for each in led for pk in (each.pk, *each.parts.values_list("pk", flat=True))]
    world.hidden = [incident_of(f"{SECRET}-alone"), into, Incident.objects.get(pk=merged.pk), first]
    world.public = [incident_of("web-2"), public]


def _look_back(world: World) -> None:
    admin = world.people["administrator"]
    since, until = timezone.now() - timedelta(hours=1), timezone.now() + timedelta(minutes=1)
    rules = trials.with_draft(pattern_changes.Draft(tags=("team",), time_window=60))
    world.values["run"] = trials.replay(rules, since=since, until=until, note="Teams", by=admin)
    world.values["suggestion_run"] = trials.search(since=since, until=until, by=admin)
    world.values["shadow"] = shadow.switch_on(rules, by=admin)
    draft = maintenance_changes.Draft("Vault closed", "team = vault", since, until, "")
    world.values["plan"] = maintenance_changes.create(draft, by=admin)


def _come_later(world: World) -> None:
    """Send alerts while the plan and the shadow run."""
    key, v = world.values["app_key_secret"], world.values
    for host in (f"{SECRET}-late", f"{SECRET}-alone"):
        later = alert(host, "vault", cluster=f"{SECRET}-a", status="warning")
        send(v["sender"], {"app_key": key, "alerts": [later]})
    shadow.advance_all()


def _let_programs_in(world: World) -> None:
    for name, sees in (("token of senders", False), ("token for all", True)):
        scopes = [OrgToken.Scope.READ, OrgToken.Scope.ACT]
        _, secret = OrgToken.issue(name=name, scopes=scopes, sees_restricted=sees)
        world.readers[name] = Reader(_program(secret), may_see=sees, calls_resources=True, is_thorough=not sees)
    for name in ("outsider", "member"):
        _, secret = ApiKey.issue(world.people[name], name=f"Key of {name}", expires_at=None)
        world.readers[f"key of the {name}"] = Reader(
            _program(secret), may_see=name == "member", calls_resources=True, is_thorough=name == "outsider"
        )
    for name in ("outsider", "member"):
        board, secret = Wallboard.issue(name=name, environment=None, sound=False, flash=False, by=world.people[name])
        world.readers[f"wallboard of the {name}"] = Reader(Client(), may_see=name == "member", wall=secret)
        world.values["wallboard"] = board


def _program(secret: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {secret}"})


# --- the calls


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Furnish a console once. Each call is taken back, so that all tests find the same console."""
    celery_app.conf.task_always_eager, before = True, celery_app.conf.task_always_eager
    with django_db_blocker.unblock(), transaction.atomic():
        yield furnish()
        transaction.set_rollback(True)
    celery_app.conf.task_always_eager = before


def parameters(world: World, reader: Reader, route: Route) -> dict[str, list[Any]]:
    """Return values for the parameters of a route, by the first prefix that fits."""
    incidents = [each.pk for each in (*world.hidden, *world.public)]
    hosts = [f"{SECRET}-alone", f"{SECRET}-ok", "web-1"]
    alerts = [Alert.objects.get(tags__host=host).pk for host in hosts]
    alerts += Alert.objects.filter(tags__instance="web-9").values_list("pk", flat=True)
    v = world.values
    pattern = CorrelationPattern.objects.get()
    known: dict[str, dict[str, list[Any]]] = {
        "/incidents/<int:pk>/comments": {"pk": [v["comment"].incident_id], "activity": [v["comment"].pk]},
        "/incidents/<int:pk>/undo": {"pk": [world.hidden[3].pk, *incidents]},
        "/incidents/": {"pk": incidents, "name": ["resolve", "assign", "tag"]},
        "/alerts/": {"pk": alerts},
        "/bulk/": {"pk": [v["bulk"].pk, v["asked"].pk]},
        "/wallboards/": {"pk": [v["wallboard"].pk]},
        "/wall/": {"secret": [reader.wall or "none"]},
        "/environments/": {"pk": [v["environment"].pk]},
        "/tags/": {"pk": [v["tag"].pk]},
        "/people/roles/": {"pk": [world.people["member"].role_id]},
        "/people/": {"pk": [world.people["member"].pk], "key": [0]},
        "/me/": {"pk": [0]},
        "/patterns/tries/": {"pk": [v["run"].pk]},
        "/patterns/shadows/": {"pk": [v["shadow"].pk]},
        "/patterns/suggestions/": {"pk": [v["suggestion_run"].pk]},
        "/patterns/": {"pk": [pattern.pk]},
        "/maintenance/": {"pk": [v["plan"].pk]},
        "/integrations/tokens/": {"pk": [v["token"].pk]},
        "/integrations/": {"pk": [v["app_key"].pk], "number": [1], "slug": ["api"]},
        "/oim/": {"tool": ["prometheus"]},
        "/data/integrations/": {"tool": ["prometheus"]},
        "/configurations/": {"app_key": [v["app_key_secret"]], "number": [1]},
        "/download/": {"name": ["bigpanda.py"]},
        "/welcome/": {"secret": ["none"]},
        "/resources/v2.0/correlation-patterns/": {"pk": [pattern.uuid]},
        "/resources/v2.0/maintenance-plans/": {"pk": [v["plan"].pk]},
        "/resources/v2.0/alerts/": {"pk": alerts},
        "/resources/": {"pk": incidents, "env": ["all"], "tag": [v["tag"].pk]},
    }
    return next((values for prefix, values in known.items() if route.path.startswith(prefix)), {})


def questions(world: World, path: str) -> list[dict[str, Any]]:
    """Return the query strings with which a route is read."""
    hidden, public = world.hidden[0].pk, world.public[0].pk
    hidden_alert = Alert.objects.get(tags__host=f"{SECRET}-alone").pk
    public_alert = Alert.objects.get(tags__host="web-2").pk
    asked: dict[str, list[dict[str, Any]]] = {
        "/": [{}, {"q": SEARCH}, {"env": world.values["environment"].pk}],
        "/live/state": [{"shown": ",".join(str(each.pk) for each in world.hidden)}],
        "/suggestions": [{"q": "host = "}, {"q": "note = "}],
        "/environments/preview": [{"query": SEARCH}],
        "/maintenance/preview": [{"condition": "team = vault"}],
        "/patterns/preview": [{"tag": "host", "window": 60, "unit": "minutes", "active": "on"}],
        "/integrations/<int:pk>/doctor": [{"tail": ""}],
        "/resources/v2.0/environments/<str:env>/incidents": [{"query": SEARCH, "expand": "alerts"}],
        "/resources/v1.0/incidents/<int:pk>": [{"expand": "alerts"}],
        "/resources/v2.0/incidents/<int:pk>/activities": [{"per_page": 100}],
    }
    pairs: list[dict[str, Any]] = [{"alert": SEARCH}, {"alert": public_alert}, {"alert": hidden_alert, "other": public}]
    if "why-not" in path:
        return [*pairs, {"alert": public_alert, "other": hidden}]
    return asked.get(path, [{}])


def bodies(world: World, path: str) -> list[Any]:
    """Return what is sent to a route."""
    hidden, public = [each.pk for each in world.hidden], [each.pk for each in world.public]
    alerts = list(Alert.objects.filter(incident__in=[*hidden, *public]).values_list("pk", flat=True))
    mine = world.people["outsider"].role_id
    tag = {"tag_id": str(world.values["tag"].pk), "tag_value": "changed"}
    one = "/resources/v2.0/environments/<str:env>/incidents/<int:pk>"
    sent: dict[str, list[Any]] = {
        "/incidents/<int:pk>/<slug:name>": [{"person": mine, "tag": world.values["tag"].pk, "values": "changed"}],
        "/incidents/<int:pk>/merge": [{"numbers": ", ".join(map(str, hidden[:2]))}],
        "/incidents/<int:pk>/split": [
            {"how": "other", "to": hidden[0], "alerts": alerts},
            {"how": "new", "alerts": alerts[:1]},
        ],
        "/incidents/<int:pk>/undo": [{"activity": pk} for pk in world.values["undoable"]],
        "/merge": [{"incident": [hidden[0], hidden[1], *public], "into": hidden[0]}],
        "/bulk": [
            {"what": "resolve", "incident": [*hidden, *public]},
            {"what": "resolve", "all": "1", "matching": urlencode({"q": SEARCH})},
        ],
        "/environments/new": [{"name": "Mine", "query": "", "seen_by": [mine]}],
        "/environments/<int:pk>": [{"name": "Mine", "query": "", "seen_by": [mine]}],
        "/wallboards": [{"name": "Left screen"}],
        "/patterns/new": [{"tag": ["host"], "window": "60", "unit": "minutes", "active": "on", "check": "1"}],
        "/patterns/suggestions/<int:pk>/try": [{"suggestion": "0"}],
        "/resources/v1.0/incidents/<int:pk>": [{"comments": "changed"}, {"resolved": True}],
        f"{one}/comments": [{"comment": "changed"}],
        f"{one}/assignment": [{"assignee": world.people["member"].pk}],
        f"{one}/snooze": [{"end_time": int(timezone.now().timestamp()) + 3600}],
        f"{one}/merge": [{"source_incidents": hidden[:2]}],
        f"{one}/split": [{"alerts": alerts[:1]}],
        f"{one}/tags": [[tag]],
        f"{one}/tags/<str:tag>": [tag],
        "/resources/v2.0/environments/<str:env>/batch-resolve/alerts": [{"ids": alerts}],
        "/resources/v2.0/environments/<str:env>/batch-actions": [{"action": "resolve", "ids": [*hidden, *public]}],
    }
    return sent.get(path, [{"comment": "changed"}])


PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def addresses(world: World, reader: Reader, route: Route) -> list[str]:
    names, known = PARAMETER.findall(route.path), parameters(world, reader, route)
    assert set(names) <= known.keys(), f"{route.path}: say in `parameters` what stands for {names}"
    found = []
    for values in product(*(known[name] for name in names)):
        given = iter(values)
        found.append(PARAMETER.sub(lambda _: str(next(given)), route.path))  # noqa: B023 - used at once
    return found if reader.is_thorough else found[:1]


def called_by(reader: Reader) -> Iterator[Route]:
    for route in routes():
        is_theirs = route.path.startswith("/wall/") if reader.wall else route.is_resource == reader.calls_resources
        if is_theirs and "(" not in route.path and route.path not in NOT_CALLED:
            yield route


def text_of(reply: Any) -> str:
    parts = reply.streaming_content if reply.streaming else [reply.content]
    return b"".join(parts).decode() + str(reply.headers)


def gets(world: World, reader: Reader, *, asking: bool = False) -> Iterator[tuple[Route, str, Any]]:
    """Yield what a reader is answered by each route that can be read: whole pages, and the parts for htmx."""
    for route in called_by(reader):
        if "GET" not in route.methods or (asking and not route.asks_rule):
            continue
        target = next((word for word in ("trial", "shadow", "suggestions") if word in route.name), "pane")
        part = {"HX-Request": "true", "HX-Target": target}
        # The page of an incident is the feed with this part.
        parts = (
            ([part] if target == "pane" and "/incidents/" in route.path else [{}, part]) if reader.takes_parts else [{}]
        )
        for address, query, headers in product(addresses(world, reader, route), questions(world, route.path), parts):
            with transaction.atomic():
                reply = reader.client.get(address, query, headers=headers)
                text = text_of(reply)
                transaction.set_rollback(True)
            yield route, f"GET {address}?{urlencode(query)} {headers or ''}", (reply, text)


def state(incidents: list[Incident]) -> list[Any]:
    pks = [each.pk for each in incidents]
    rows = list(Incident.objects.filter(pk__in=pks).order_by("pk").values())
    activities = list(
        Activity.objects.filter(incident__in=pks).order_by("pk").values_list("pk", "comment", "undone_at")
    )
    alerts = list(Alert.objects.filter(incident__in=pks).order_by("pk").values_list("pk", "incident", "status"))
    return [rows, activities, alerts]


def opens(world: World) -> bool:
    """Return whether the restricted incidents are not restricted any more."""
    pks = [each.pk for each in world.hidden]
    return bool(Incident.objects.seen_among(pks, world.people["outsider"]))


def posts(world: World, reader: Reader, only: Collection[str] = ()) -> Iterator[tuple[Route, str, Any, bool]]:
    """Yield what a reader is answered when they send something, and whether a restricted incident is changed by that."""
    before = state(world.hidden)
    for route in called_by(reader):
        for method in (each for each in route.methods if each != "GET" and (not only or route.path in only)):
            for address, body in product(addresses(world, reader, route), bodies(world, route.path)):
                with transaction.atomic():
                    if route.is_resource:
                        sent = json.dumps(body)
                        reply: Any = reader.client.generic(method, address, sent, content_type="application/json")
                    else:
                        reply = reader.client.post(address, body)
                    text = text_of(reply) + " ".join(map(str, get_messages(reply.wsgi_request)))
                    is_refused = reply.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
                    is_changed = not is_refused and (state(world.hidden) != before or opens(world))
                    transaction.set_rollback(True)
                yield route, f"{method} {address} {body}", (reply, text), is_changed


# --- the tests

OTHERS = [
    "outsider",
    "key of the outsider",
    *(
        pytest.param(name, marks=pytest.mark.any_database)
        for name in ("viewer", "nobody", "token of senders", "wallboard of the outsider")
    ),
]
MEMBERS = ("member", "token for all", "key of the member", "wallboard of the member")

_ONE = "/resources/v2.0/environments/<str:env>/incidents/<int:pk>"
# Where those who may see the incidents find them. An empty answer everywhere would prove nothing.
SHOWN = {
    *("/", "/live/state", "/suggestions", "/alerts/<int:pk>", "/bulk/<int:pk>", "/wall/<str:secret>"),
    *("/incidents/<int:pk>", "/incidents/<int:pk>/alerts", "/incidents/<int:pk>/timeline"),
    *("/incidents/<int:pk>/activity", "/incidents/<int:pk>/why", "/incidents/<int:pk>/<slug:name>"),
    *("/incidents/<int:pk>/comments/<int:activity>", "/incidents/<int:pk>/merge", "/incidents/<int:pk>/split"),
    *("/why-not", "/why-not.json", "/environments/preview", "/maintenance/<int:pk>", "/maintenance/preview"),
    *("/patterns/new", "/patterns/<int:pk>/edit", "/patterns/tries/<int:pk>", "/patterns/shadows/<int:pk>"),
    *("/integrations/<int:pk>/doctor", "/integrations/<int:pk>/doctor/tail", "/integrations/<int:pk>/mapping"),
    *("/resources/v1.0/incidents/<int:pk>", "/resources/v1.0/incidents/<int:pk>/alerts/"),
    *("/resources/v2.0/environments/<str:env>/incidents", _ONE, f"{_ONE}/tags", f"{_ONE}/tags/<str:tag>"),
    *("/resources/v2.0/incidents/<int:pk>/activities", "/resources/v2.0/alerts/<int:pk>/why"),
    "/resources/v2.0/why-not",
}
# Where a member of the environment changes the incidents with the same calls.
CHANGED = {
    *("/incidents/<int:pk>/<slug:name>", "/incidents/<int:pk>/comment", "/incidents/<int:pk>/merge"),
    *("/incidents/<int:pk>/split", "/incidents/<int:pk>/undo", "/merge", "/bulk/<int:pk>/undo"),
    *(f"{_ONE}/{each}" for each in ("resolve", "comments", "assignment", "snooze", "merge", "tags", "tags/<str:tag>")),
    *(f"/resources/v2.0/environments/<str:env>/batch-{each}" for each in ("resolve/alerts", "actions")),
    "/resources/v1.0/incidents/<int:pk>",
}


@pytest.mark.parametrize("name", OTHERS)
def test_nobody_else_reads_a_restricted_incident_anywhere(world: World, name: str) -> None:
    reader, found, wrong = world.readers[name], [], []
    for route, call, (reply, text) in gets(world, reader):
        if SECRET in text:
            found.append(call)
        if reader.role and route.lets_in(reader.role, "GET") is (reply.status_code == HTTPStatus.FORBIDDEN):
            wrong.append(f"{call}: {reply.status_code}")
        if name == "nobody" and route.needs_sign_in and "/login" not in str(reply.headers):
            wrong.append(f"{call}: {reply.status_code}")
    assert not found, "\n".join(found)
    assert not wrong, "not as the permission matrix says:\n" + "\n".join(wrong)


@pytest.mark.any_database
def test_those_who_may_see_the_incidents_find_them_on_every_road(world: World) -> None:
    shown: set[str] = set()
    for name in MEMBERS:
        # What shows the word and is not known to ask the rule was found by the test above.
        answers = gets(world, world.readers[name], asking=True)
        shown |= {route.path for route, _, (_, text) in answers if SECRET in text}
    assert shown == SHOWN, (
        "either the matrix does not see that a route asks the rule, or the console shows less or more"
    )


@pytest.mark.any_database
@pytest.mark.parametrize("name", ["outsider", "viewer", "nobody", "token of senders", "key of the outsider"])
def test_nobody_else_changes_a_restricted_incident(world: World, name: str) -> None:
    calls = posts(world, world.readers[name])
    wrong = [call for _, call, (_, text), is_changed in calls if is_changed or SECRET in text]
    assert not wrong, "\n".join(wrong)


@pytest.mark.any_database
def test_those_who_may_act_on_the_incidents_change_them_with_the_same_calls(world: World) -> None:
    changed: set[str] = set()
    for name in ("member", "key of the member", "token for all"):
        calls = posts(world, world.readers[name], only=CHANGED)
        changed |= {route.path for route, _, _, is_changed in calls if is_changed}
    assert changed == CHANGED


def test_a_stream_tells_nobody_else_that_a_restricted_incident_changed(world: World) -> None:
    hidden, public = world.hidden[0].pk, world.public[0].pk
    asked = [str(hidden), str(public), "no number"]
    assert live_stream.seen_among(asked, world.people["outsider"]) == {str(public)}
    assert live_stream.seen_among(asked, world.people["member"]) == {str(hidden), str(public)}


def test_a_split_off_incident_says_only_that_there_is_another_one(world: World) -> None:
    page = world.readers["outsider"].client.get(f"/incidents/{world.public[0].pk}/activity").content.decode()
    assert "off an incident that you may not see" in page
    listed = world.readers["key of the outsider"].client.get(
        f"/resources/v2.0/incidents/{world.public[0].pk}/activities"
    )
    (split,) = (each for each in listed.json()["items"] if each["type"] == Activity.Kind.SPLIT_OFF)
    assert split["params"] == {"from": None, "title": "an incident that you may not see", "alerts": 1}


def test_an_undo_is_the_act_of_the_person_who_undoes(world: World) -> None:
    member, done = world.people["member"], world.values["bulk"]
    with transaction.atomic():
        page = world.readers["member"].client.post(f"/bulk/{done.pk}/undo", follow=True).content.decode()
        undone = Activity.objects.filter(bulk=done, kind=Activity.Kind.UNDONE)
        assert {each.by for each in undone} == {member}
        assert "<dt>Undone by</dt>" in page
        assert world.readers["outsider"].client.get(f"/bulk/{done.pk}").status_code == HTTPStatus.NOT_FOUND
        transaction.set_rollback(True)


def test_a_merged_away_incident_is_seen_by_those_who_may_see_the_last_one(world: World) -> None:
    admin, outsider, (alone, into, merged, _) = world.people["administrator"], world.people["outsider"], world.hidden
    visible = Incident.objects.visible_to(outsider)
    with transaction.atomic():
        actions.merge(alone, [into], by=admin)
        assert not visible.filter(pk__in=[into.pk, merged.pk]).exists()
        Environment.objects.filter(pk=world.values["environment"].pk).update(query="team = nothing")
        placement.mark_unplaced(Environment.objects.get(pk=world.values["environment"].pk))
        placement.place_unplaced()
        assert visible.filter(pk__in=[alone.pk, into.pk, merged.pk]).count() == 3
        transaction.set_rollback(True)


def test_the_permission_matrix_is_printed(world: World) -> None:
    printed = StringIO()
    call_command("print_permissions", stdout=printed)
    lines = {tuple(line.split()[:2]): line for line in printed.getvalue().splitlines()}
    assert len(lines) == 1 + sum(len(route.methods) for route in routes())
    assert re.search(r"change: Incidents +asked +yes +yes +no", lines["POST", "/undo"]), lines["POST", "/undo"]
    assert "ANY" not in printed.getvalue(), "a view does not say which methods it takes"
