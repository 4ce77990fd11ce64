"""Tests of /resources/v1.0/incidents, for scripts with an org token (docs/wire-contract.md §8.3)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from alerts.models import Alert
from appkeys.models import AppKey, OrgToken
from incidents.models import Incident
from people.models import User
from tests.conftest import PostEvent
from tests.described import DescribedClient

pytestmark = pytest.mark.django_db
Ask = Callable[..., Any]
V1 = "/resources/v1.0/incidents"


def script_of(secret: str) -> Ask:
    client = DescribedClient(headers={"Authorization": f"Bearer {secret}"})

    def ask(path: object, body: Any = None) -> Any:
        url = f"{V1}/{path}"
        return client.get(url) if body is None else client.post(url, json.dumps(body), "application/json")

    return ask


@pytest.fixture
def script() -> Ask:
    return script_of(OrgToken.issue(name="Night jobs", scopes=["read", "act"])[1])


@pytest.fixture
def incident(post_event: PostEvent) -> Incident:
    post_event(host="db-1", check="disk", description="91% full", timestamp=1_700_000_000)
    post_event(host="db-1", check="cpu", status="warning", timestamp=1_700_000_060)
    return Incident.objects.get()


def history(client: Client, user: User, incident: Incident) -> str:
    client.force_login(user)
    return client.get(f"/incidents/{incident.pk}/activity").content.decode()


def test_an_incident_has_the_fields_of_v1(script: Ask, incident: Incident) -> None:
    said = script(incident.pk).json()
    keys = [str(pk) for pk in Alert.objects.order_by("pk").values_list("pk", flat=True)]
    assert said == {
        "id": str(incident.pk),
        "status": "critical",
        "active": True,
        "flapping": False,
        "resolved": False,
        "snooze": {"snoozed": False, "wake": None, "autoCancel": False},
        "startedOn": 1_700_000_000,
        "changedOn": int(incident.changed_at.timestamp()),
        "updatedOn": int(incident.changed_at.timestamp()),
        "endedOn": None,
        "alerts": keys,
    }


def test_its_alerts_come_whole_where_they_are_asked_for(script: Ask, incident: Incident) -> None:
    alerts = script(f"{incident.pk}/alerts/").json()
    assert alerts == script(f"{incident.pk}?expand=alerts").json()["alerts"]
    disk = next(each for each in alerts if each["status"] == "critical")
    assert disk["active"] is True
    assert disk["startedOn"] == disk["changedOn"] == 1_700_000_000
    assert disk["endedOn"] is None
    assert (disk["primary_property"], disk["secondary_property"]) == ("host", "check")
    assert disk["source_system"] == "api.nagios"
    assert disk["description"] == "91% full"
    assert {"name": "check", "value": "disk"} in disk["tags"]


def test_it_is_resolved_once_and_a_conflict_after_that(script: Ask, incident: Incident) -> None:
    said = script(incident.pk, {"resolved": True, "comments": "restarted"})
    assert said.status_code == 200
    assert (said.json()["resolved"], said.json()["active"], said.json()["status"]) == (True, False, "ok")
    assert said.json()["endedOn"] >= said.json()["startedOn"]
    assert {each["status"] for each in script(f"{incident.pk}/alerts/").json()} == {"ok"}
    again = script(incident.pk, {"resolved": True})
    assert again.status_code == 409
    assert again.json()["errors"] == [again.json()["error"]] == ["The incident is resolved already."]


def test_the_history_names_the_org_token_and_a_person_takes_it_back(
    script: Ask, incident: Incident, client: Client, responder: User
) -> None:
    script(incident.pk, {"resolved": True, "comments": "by the night job"})
    shown = history(client, responder, incident)
    assert "The org token <strong>Night jobs</strong> resolved 2 alerts" in shown
    assert "by the night job" in shown
    resolving = incident.activities.get(kind="incident_alerts_resolved")
    client.post(f"/incidents/{incident.pk}/undo", {"activity": resolving.pk})
    assert script(incident.pk).json()["status"] == "critical"


def test_a_newer_event_reopens_what_a_script_resolved(script: Ask, incident: Incident, post_event: PostEvent) -> None:
    script(incident.pk, {"resolved": True})
    post_event(host="db-1", check="disk", description="95% full", timestamp=int(time.time()) + 1)
    assert script(incident.pk).json()["resolved"] is False


def test_a_comment_alone_resolves_nothing(script: Ask, incident: Incident, client: Client, responder: User) -> None:
    said = script(incident.pk, {"comments": "ticket *INC-7*"})
    assert (said.status_code, said.json()["resolved"]) == (200, False)
    assert "<em>INC-7</em>" in history(client, responder, incident)


def test_it_is_snoozed_and_woken(script: Ask, incident: Incident, client: Client, responder: User) -> None:
    wake = int(time.time()) + 3600
    said = script(incident.pk, {"snooze": {"snoozed": True, "wake": wake, "autoCancel": True}, "comments": "later"})
    assert said.json()["snooze"] == {"snoozed": True, "wake": wake, "autoCancel": True}
    assert script(incident.pk, {"snooze": {"snoozed": False}, "comments": "awake"}).json()["snooze"]["snoozed"] is False
    shown = history(client, responder, incident)
    assert "<strong>Night jobs</strong> snoozed the incident until" in shown
    assert "<strong>Night jobs</strong> ended the snooze" in shown
    assert "later" in shown
    assert "awake" in shown


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "resolved, snooze and comments"),
        ({"comments": " "}, "resolved, snooze and comments"),
        ({"comments": 7}, "comments"),
        ([], "resolved, snooze and comments"),
        ([1], "JSON object"),
        ({"resolved": False}, "resolved"),
        ({"resolved": "true"}, "resolved"),
        ({"snooze": True}, "snooze"),
        ({"snooze": {"snoozed": True}}, "wake"),
        ({"snooze": {"snoozed": True, "wake": "noon"}}, "wake"),
        ({"snooze": {"snoozed": True, "wake": 1}}, "later one"),
        ({"snooze": {"snoozed": True, "wake": 4_000_000_000, "autoCancel": 1}}, "autoCancel"),
    ],
)
def test_what_is_sent_wrongly_is_named(script: Ask, incident: Incident, body: Any, named: str) -> None:
    reply = script(incident.pk, body)
    assert reply.status_code == 400
    assert named in reply.json()["error"]
    assert script(incident.pk).json()["resolved"] is False


def test_a_token_for_sending_only_is_kept_out(incident: Incident) -> None:
    sender = script_of(OrgToken.issue(name="Senders", scopes=OrgToken.SENDING)[1])
    assert sender(incident.pk).status_code == sender(incident.pk, {"resolved": True}).status_code == 403
    assert Client().get(f"{V1}/{incident.pk}").status_code == 401


def test_a_token_for_some_integrations_reaches_their_incidents_alone(
    incident: Incident, app_key: AppKey, admin: User
) -> None:
    other, _ = AppKey.issue(name="Zabbix")
    for speaks_for, status in ((app_key, 200), (other, 404)):
        token, secret = OrgToken.issue(name=f"For {speaks_for.name}", scopes=["read"])
        token.limit_to([speaks_for], by=admin)
        assert script_of(secret)(incident.pk).status_code == status


def test_an_incident_that_is_none_is_not_found(script: Ask) -> None:
    for path in ("7", "99999999999999999999", "7/alerts/"):
        assert script(path).status_code == 404


def test_a_token_that_asks_oftener_than_150_times_in_a_minute_is_told_when_to_try_again(
    script: Ask, incident: Incident, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.V1_REQUESTS_PER_MINUTE = 150
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.5)
    assert {script(incident.pk).status_code for _ in range(149)} == {200}
    assert script(f"{incident.pk}/alerts/").status_code == 200
    refused = script(incident.pk, {"resolved": True})
    assert refused.status_code == 429
    assert (refused.headers["Retry-After"], refused.headers["RateLimit-Limit"]) == ("60", "150")
    assert "more than 150 requests for v1.0/incidents in this minute" in refused.json()["errors"][0]
    another = script_of(OrgToken.issue(name="Day jobs", scopes=["read", "act"])[1])
    assert another(incident.pk).status_code == 200
    monkeypatch.setattr(time, "time", lambda: 1_800_000_060.5)
    assert script(incident.pk, {"resolved": True}).status_code == 200
