"""Tests of /resources/v2.0/environments/{env}/incidents (docs/wire-contract.md §8.2)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from alerts.models import Alert
from incidents import actions
from incidents.models import Environment, Incident, IncidentTag
from people.models import ApiKey, User
from tests.conftest import PostEvent
from tests.described import DescribedClient

pytestmark = pytest.mark.django_db
ALL = "/resources/v2.0/environments/all/incidents"
Script = Callable[..., Any]


def script_of(user: User) -> Script:
    _, secret = ApiKey.issue(user, name="Script", expires_at=None)
    client = DescribedClient(headers={"Authorization": f"Bearer {secret}"})

    def send(method: str, path: str, body: Any = None) -> Any:
        return client.generic(method, path, json.dumps(body) if body is not None else "", "application/json")

    return send


@pytest.fixture
def script(responder: User) -> Script:
    return script_of(responder)


@pytest.fixture
def incident(post_event: PostEvent) -> Incident:
    post_event(host="db-1", check="disk")
    post_event(host="db-1", check="cpu", status="warning")
    return Incident.objects.get()


def shown(script: Script, incident: Incident) -> dict[str, Any]:
    reply: dict[str, Any] = script("GET", f"{ALL}/{incident.pk}").json()
    return reply


def test_an_incident_has_bigpandas_fields(script: Script, incident: Incident) -> None:
    said = shown(script, incident)
    assert (said["id"], said["active"], said["status"], said["end"]) == (str(incident.pk), True, "Critical", None)
    assert {each["alert_id"] for each in said["alerts"]} == {
        str(pk) for pk in Alert.objects.values_list("pk", flat=True)
    }
    assert (said["folders"], said["snooze"]) == (["active", "unhandled"], {"snoozed": False})
    assert said["correlation_matchers_log"][0][0]["tags"] == [{"name": "host", "value": "db-1"}]


def test_search_takes_a_query_a_folder_and_pages(script: Script, incident: Incident, post_event: PostEvent) -> None:
    for host in ("web-1", "web-2", "web-3"):
        post_event(host=host)
    found = script("GET", f"{ALL}?query=host%3Dweb-*&sort_by=start&page=2&page_size=2").json()
    assert (found["total"], len(found["items"])) == (3, 1)
    assert script("GET", f"{ALL}?folder=resolved").json() == {"total": 0, "items": []}
    expanded = script("GET", f"{ALL}?query=check%3Ddisk&expand=alerts").json()["items"][0]["alerts"]
    assert {each["status"] for each in expanded} == {"Critical", "Warning"}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("query=host%3D", "query"),
        ("folder=attic", "folder"),
        ("sort_by=mood", "sort_by"),
        ("from=yesterday", "from"),
        ("expand=alerts&page_size=11", "page_size"),
        ("page=0", "page"),
    ],
)
def test_what_is_asked_wrongly_is_named(script: Script, incident: Incident, asked: str, field: str) -> None:
    reply = script("GET", f"{ALL}?{asked}")
    assert reply.status_code == 400
    assert field in reply.content.decode()


def test_resolve_once_and_a_conflict_after_that(script: Script, incident: Incident) -> None:
    assert script("POST", f"{ALL}/{incident.pk}/resolve", {"comments": None}).status_code == 202
    again = script("POST", f"{ALL}/{incident.pk}/resolve", {"comments": "again"})
    assert again.status_code == 409
    assert "resolved already" in again.content.decode()
    assert (shown(script, incident)["active"], shown(script, incident)["folders"]) == (False, ["resolved"])


def test_comments_owner_and_snooze(script: Script, incident: Incident, responder: User, viewer: User) -> None:
    one = f"{ALL}/{incident.pk}"
    assert script("POST", f"{one}/comments", {"comment": "looking"}).status_code == 204
    assert script("POST", f"{one}/comments", {"comment": ""}).status_code == 400
    assert script("PUT", f"{one}/assignment", {"assignee": str(responder.pk)}).status_code == 204
    assert script("PUT", f"{one}/assignment", {"assignee": str(viewer.pk)}).status_code == 400
    until = int(time.time()) + 3600
    body = {"end_time": until, "cancel_on_incident_updates": True, "comment": "later"}
    assert script("PUT", f"{one}/snooze", body).status_code == 204
    said = shown(script, incident)
    assert said["assignee"]["user_id"] == said["assigner"]["user_id"] == str(responder.pk)
    assert said["snooze"] == {"snoozed": True, "end_time": until, "cancel_on_incident_updates": True}
    assert script("DELETE", f"{one}/snooze").status_code == 204
    assert script("DELETE", f"{one}/assignment").status_code == 204
    assert script("DELETE", f"{one}/assignment").status_code == 400
    too_long = script("PUT", f"{one}/snooze", {"end_time": until + 91 * 86400})
    assert (too_long.status_code, "90 days" in too_long.content.decode()) == (400, True)


def test_merge_and_split(script: Script, incident: Incident, post_event: PostEvent) -> None:
    post_event(host="web-1")
    web = Incident.objects.get(title="web-1")
    assert script("POST", f"{ALL}/{incident.pk}/merge", {"source_incidents": [str(web.pk)]}).status_code == 202
    assert script("POST", f"{ALL}/{incident.pk}/merge", {"source_incidents": [str(web.pk)]}).status_code == 409
    assert script("GET", ALL).json()["total"] == 1
    alert = Alert.objects.get(tags__host="web-1")
    assert script("POST", f"{ALL}/{incident.pk}/split", {"alerts": [str(alert.pk)], "comment": "no"}).status_code == 202
    assert script("GET", ALL).json()["total"] == 2
    assert script("POST", f"{ALL}/{incident.pk}/split", {"alerts": "all"}).status_code == 400


def test_tags_and_priority(script: Script, incident: Incident) -> None:
    teams = IncidentTag.objects.create(name="Teams", kind=IncidentTag.Kind.MULTI_VALUE)
    tags = f"{ALL}/{incident.pk}/tags"
    sent = [{"tag_id": "priority", "tag_value": "P1"}, {"tag_id": str(teams.pk), "tag_value": ["db", "net"]}]
    assert script("POST", tags, sent).status_code == 204
    assert script("GET", tags).json() == shown(script, incident)["incident_tags"] == sent
    assert script("POST", f"{tags}/priority", {"tag_value": "P9"}).status_code == 400
    assert script("DELETE", f"{tags}/priority").status_code == 204
    assert script("GET", f"{tags}/priority").status_code == 404
    assert script("DELETE", tags).status_code == 204
    assert script("GET", tags).json() == []


def test_administrators_define_tags(script: Script, admin: User) -> None:
    path = "/resources/v2.0/incidents/tags/definitions"
    body = {"name": "Cause", "type": "ClosedListValuesSingle", "config": {"ordered_list": ["power", "network"]}}
    assert script("POST", path, body).status_code == 403
    ada = script_of(admin)
    assert ada("POST", path, body).status_code == 204
    assert ada("POST", path, body).status_code == 400
    priority, cause = script("GET", path).json()
    assert (priority["id"], cause["config"]) == ("priority", {"ordered_list": ["power", "network"]})
    assert ada("PUT", f"{path}/{cause['id']}", {"description": "What it was"}).json()["description"] == "What it was"
    assert script("GET", f"{path}/{cause['id']}").json()["name"] == "Cause"


def test_a_batch_ends_alerts_and_with_the_last_their_incident(
    script: Script, incident: Incident, responder: User
) -> None:
    disk, cpu = Alert.objects.order_by("pk")
    batch = "/resources/v2.0/environments/all/batch-resolve/alerts"
    assert script("POST", batch, {"ids": [str(disk.pk), "12345"], "comments": "done"}).status_code == 202
    assert (shown(script, incident)["active"], shown(script, incident)["status"]) == (True, "Warning")
    assert script("POST", batch, {"ids": [str(cpu.pk)]}).status_code == 202
    assert shown(script, incident)["active"] is False
    for _ in range(2):
        last = actions.last_of(responder)
        assert last
        actions.undo(last, by=responder)
    assert (shown(script, incident)["active"], shown(script, incident)["status"]) == (True, "Critical")
    assert script("POST", batch, {"ids": ["1"] * 501}).status_code == 400


def test_a_second_batch_within_a_second_is_told_when_to_try_again_and_ends_nothing(
    script: Script, incident: Incident, admin: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BATCH_RESOLVES_PER_SECOND = 1
    disk, cpu = Alert.objects.order_by("pk")
    batch = "/resources/v2.0/environments/all/batch-resolve/alerts"
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.5)
    assert script("POST", batch, {"ids": [str(disk.pk)]}).status_code == 202
    refused = script("POST", batch, {"ids": [str(cpu.pk)]})
    assert refused.status_code == 429
    assert (refused.headers["Retry-After"], refused.headers["RateLimit-Limit"]) == ("1", "1")
    assert "more than 1 request for batch-resolve in this second" in refused.json()["errors"][0]
    assert shown(script, incident)["active"] is True
    assert script_of(admin)("POST", batch, {"ids": ["1"]}).status_code == 202
    monkeypatch.setattr(time, "time", lambda: 1_800_000_001.5)
    assert script("POST", batch, {"ids": [str(cpu.pk)]}).status_code == 202
    assert shown(script, incident)["active"] is False


def test_activities_by_type_the_newest_first(script: Script, incident: Incident, responder: User) -> None:
    actions.comment(incident, by=responder, text="looking")
    path = f"/resources/v2.0/incidents/{incident.pk}/activities"
    items = script("GET", path).json()["items"]
    assert items[0]["type"] == "incident_commented"
    assert items[0]["params"]["comment"] == "looking"
    only = script("GET", f"{path}?types=incident_created").json()["items"]
    assert [each["type"] for each in only] == ["incident_created"]


def test_an_environment_holds_its_own_incidents_alone(
    script: Script, incident: Incident, post_event: PostEvent
) -> None:
    databases = Environment.objects.create(name="Databases", query="host = db-*")
    post_event(host="db-2")
    post_event(host="web-1")
    for named in (str(databases.pk), "databases"):
        found = script("GET", f"/resources/v2.0/environments/{named}/incidents").json()
        assert [each["environments"] for each in found["items"]] == [[str(databases.pk)]]
    assert script("GET", "/resources/v2.0/environments/attic/incidents").status_code == 404


def test_who_looks_may_not_act_and_who_is_nobody_may_not_look(viewer: User, incident: Incident) -> None:
    look = script_of(viewer)
    assert look("GET", ALL).status_code == 200
    assert look("POST", f"{ALL}/{incident.pk}/resolve", {}).status_code == 403
    assert Client().get(ALL).status_code == 401


def test_any_action_is_performed_on_many_incidents(
    script: Script, incident: Incident, post_event: PostEvent, responder: User
) -> None:
    post_event(host="web-1", check="http")
    other = Incident.objects.exclude(pk=incident.pk).get()
    actions.acknowledge(other, by=responder)
    batch = "/resources/v2.0/environments/all/batch-actions"
    reply = script("POST", batch, {"action": "acknowledge", "ids": [str(incident.pk), str(other.pk), "999"]})
    assert reply.json() == {
        "done": [str(incident.pk)],
        "refused": [{"id": str(other.pk), "reason": "It is acknowledged already."}],
        "refused_count": 1,
    }
    sent = {"action": "snooze", "ids": [str(incident.pk)], "form": {"length": "1h", "comment": "Known"}}
    assert script("POST", batch, sent).json()["done"] == [str(incident.pk)]
    assert "snoozed" in shown(script, incident)["folders"]


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        ({"action": "explode", "ids": [1]}, "action: must be one of resolve, reopen, "),
        ({"action": "merge", "ids": [1]}, "action: must be one of resolve, reopen, "),
        ({"action": "resolve"}, "ids: must be a list of ids."),
        ({"action": "resolve", "ids": list(range(501))}, "ids: can be 500 at most."),
        ({"action": "comment", "ids": [1]}, "comment: Write something first."),
        ({"action": "comment", "ids": [1], "form": "text"}, "form: "),
    ],
)
def test_a_request_for_an_action_on_many_names_what_is_wrong(script: Script, sent: dict[str, Any], rule: str) -> None:
    reply = script("POST", "/resources/v2.0/environments/all/batch-actions", sent)
    assert reply.status_code == 400
    assert rule in reply.json()["errors"][0]


def test_a_viewer_acts_on_nothing_in_a_batch(viewer: User, incident: Incident) -> None:
    batch = "/resources/v2.0/environments/all/batch-actions"
    assert script_of(viewer)("POST", batch, {"action": "resolve", "ids": [incident.pk]}).status_code == 403
    assert Incident.objects.open().exists()
