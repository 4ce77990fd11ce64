"""A new action, declared in this module alone: no other file names it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import pytest
from django import forms
from django.test import Client

from bigpanda_site import openapi
from incidents.actions import Action, action
from incidents.actions.action import OPEN_FOLDERS
from incidents.actions.forms import CommentedForm
from incidents.models import Activity, BulkAction, Incident, Priority
from people.models import ApiKey, User
from tests.conftest import PostEvent

pytestmark = pytest.mark.django_db


class EscalateForm(CommentedForm):
    """Choice of the priority."""

    level = forms.TypedChoiceField(
        label="Escalate to",
        coerce=lambda value: Priority(int(value)),
        choices=Priority.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a level."},
    )


@dataclass(frozen=True)
class Escalate(Action):
    """Rise of the priority, with the reason as a comment."""

    level: Priority
    comment: str = ""

    name, kind = "escalate", "incident_escalated"
    verb, done, icon, key = "Escalate", "Escalated", "arrow-up", "E"
    in_menu = True
    bulk_folders = OPEN_FOLDERS
    form, question = EscalateForm, "Escalate {}?"
    effect = "The priority becomes the level."
    columns = ("priority",)

    @classmethod
    def is_offered(cls, incident: Incident, user: User) -> bool:
        return incident.is_open

    def refusal(self, incident: Incident) -> str:
        is_higher = incident.priority is None or self.level < incident.priority
        return "" if is_higher else "The incident is at this level already."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.priority = self.level
        return {"level": self.level.label}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(Priority(arguments["level"]), arguments["comment"])

    @classmethod
    def sentence(cls, activity: Activity) -> str:
        return f"escalated the incident to {activity.details['level']}"


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Register the action for one test."""
    monkeypatch.setattr(action, "_BY_NAME", dict(action._BY_NAME))
    monkeypatch.setattr(action, "_BY_KIND", dict(action._BY_KIND))
    action.register(Escalate)
    openapi._declared.cache_clear()
    yield
    openapi._declared.cache_clear()


@pytest.fixture
def acting(client: Client, responder: User) -> Client:
    client.force_login(responder)
    return client


@pytest.fixture
def incident(post_event: PostEvent) -> Incident:
    post_event(host="db-1", check="disk")
    return Incident.objects.get()


def page(client: Client, url: str) -> str:
    return client.get(url).content.decode()


def escalate(client: Client, incident: Incident, level: int = 2, comment: str = "") -> str:
    fields = {"level": level, "comment": comment}
    told = client.post(f"/incidents/{incident.pk}/escalate", fields, follow=True).content.decode()
    incident.refresh_from_db()
    return told


def test_it_has_a_button_on_open_incidents(acting: Client, incident: Incident) -> None:
    url = f"/incidents/{incident.pk}"
    shown = page(acting, url)
    assert f'href="{url}/escalate?next=' in shown
    assert "<span>Escalate…</span>" in shown
    acting.post(f"{url}/resolve")
    assert "<span>Escalate…</span>" not in page(acting, url)


def test_its_question_is_a_dialog_and_without_scripts_a_page(acting: Client, incident: Incident) -> None:
    url = f"/incidents/{incident.pk}/escalate"
    for shown in (page(acting, url), acting.get(url, headers={"HX-Request": "true"}).content.decode()):
        for expected in ("Escalate this incident?", "Escalate to", "The priority becomes the level.", "icon-arrow-up"):
            assert expected in shown
    assert "Choose a level." in acting.post(url).content.decode()


def test_it_is_done_and_stands_in_the_history(acting: Client, incident: Incident, responder: User) -> None:
    told = escalate(acting, incident, comment="The shop is down")
    assert "Escalated." in told
    assert incident.priority == Priority.P2
    history = page(acting, f"/incidents/{incident.pk}/activity")
    assert f"<strong>{responder.shown_name}</strong> escalated the incident to P2" in history
    assert "The shop is down" in history


def test_an_incident_can_refuse_it(acting: Client, incident: Incident) -> None:
    escalate(acting, incident)
    assert "The incident is at this level already." in escalate(acting, incident)


def test_it_is_undone_from_the_history_and_by_the_key(acting: Client, incident: Incident) -> None:
    escalate(acting, incident)
    activity = Activity.objects.get(kind=Escalate.kind)
    told = acting.post(f"/incidents/{incident.pk}/undo", {"activity": activity.pk}, follow=True).content.decode()
    assert "Undone: Escalated." in told
    incident.refresh_from_db()
    assert incident.priority is None
    assert "undid: escalated" in page(acting, f"/incidents/{incident.pk}/activity")
    escalate(acting, incident)
    acting.post("/undo")
    incident.refresh_from_db()
    assert incident.priority is None


def test_it_is_done_to_many_at_once_and_undone_as_one(
    acting: Client, incident: Incident, post_event: PostEvent
) -> None:
    post_event(host="web-1", check="http")
    assert 'value="escalate" data-key="E"' in " ".join(page(acting, "/").split())
    assert 'value="escalate"' not in page(acting, "/?folder=resolved")
    shown = acting.post("/bulk", {"what": "escalate", "all": "1"}).content.decode()
    assert "Escalate 2 incidents?" in shown
    assert "Escalate to" in shown
    bulk = BulkAction.objects.get()
    acting.post(f"/bulk/{bulk.pk}/start", {"level": "1"})
    assert list(Incident.objects.values_list("priority", flat=True)) == [1, 1]
    assert "Escalate 2 incidents" in page(acting, f"/bulk/{bulk.pk}")
    acting.post(f"/bulk/{bulk.pk}/undo")
    assert list(Incident.objects.values_list("priority", flat=True)) == [None, None]


def test_its_key_is_on_the_key_sheet_and_on_its_button(acting: Client, incident: Incident) -> None:
    shown = page(acting, f"/incidents/{incident.pk}")
    assert 'data-shortcut="E" data-does="act"><dt><kbd>Shift+e</kbd></dt><dd>Escalate</dd>' in shown
    assert 'id="escalate" data-key="E"' in " ".join(shown.split())


def test_clients_perform_it_and_the_document_names_it(client: Client, incident: Incident, responder: User) -> None:
    _, secret = ApiKey.issue(responder, name="Script", expires_at=None)
    script = Client(headers={"Authorization": f"Bearer {secret}"})
    batch = "/resources/v2.0/environments/all/batch-actions"
    sent = {"action": "escalate", "ids": [incident.pk], "form": {"level": 2, "comment": "The shop is down"}}
    done = {"done": [str(incident.pk)], "refused": [], "refused_count": 0}
    assert script.post(batch, sent, "application/json").json() == done
    history = f"/resources/v2.0/incidents/{incident.pk}/activities?types=incident_escalated"
    (activity,) = script.get(history).json()["items"]
    assert activity["params"] == {"level": "P2", "comment": "The shop is down"}
    client.force_login(responder)
    body = client.get("/api/openapi.json").json()["components"]["schemas"]["BatchActionRequest"]["properties"]
    assert "escalate" in body["action"]["enum"]
    assert "escalate: comment, level" in body["form"]["description"]


def test_an_activity_of_an_action_that_is_gone_stays_readable(acting: Client, incident: Incident) -> None:
    escalate(acting, incident)
    Activity.objects.filter(kind=Escalate.kind).update(kind="incident_passed_on")
    assert "Passed on" in page(acting, f"/incidents/{incident.pk}/activity")
