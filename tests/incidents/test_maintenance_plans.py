"""Tests of changes of maintenance plans by people and scripts, with the audit log and undo."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bigpanda_site.openapi import document
from incidents.api.maintenance import EXAMPLES
from incidents.models import MaintenancePlan
from people.models import AuditEntry, Role, User
from tests.conftest import PostEvent
from tests.incidents.test_maintenance import folders, plan, the_incident
from tests.incidents.test_patterns_api import Script

PLANS, ORDERED = "/resources/v2.0/maintenance-plans", "/resources/v2.0/ordered-maintenance-plans"


@pytest.fixture
def rosa(client: Client, responder: User) -> Client:
    """Return the browser of a responder."""
    client.force_login(responder)
    return client


@pytest.fixture
def script(responder: User) -> Script:
    return Script(responder)


def asked(minutes: int, length: int = 60, **fields: Any) -> dict[str, Any]:
    """Return the form of a plan that starts in so many minutes."""
    start = timezone.now() + timedelta(minutes=minutes)
    times = {"starts_at": start, "ends_at": start + timedelta(minutes=length)}
    return {
        "name": "Upgrade",
        "condition": "host = web-1",
        **{name: f"{at:%Y-%m-%dT%H:%M}" for name, at in times.items()},
        **fields,
    }


def sent(minutes: int, length: int = 60, **fields: Any) -> dict[str, Any]:
    """Return the JSON of a plan that starts in so many minutes."""
    start = int(timezone.now().timestamp()) + 60 * minutes
    times = {"start": start, "end": start + 60 * length}
    return {"name": "Upgrade", "condition": {"=": ["host", "web-1"]}, **times, **fields}


def audited() -> list[str]:
    entries = AuditEntry.objects.filter(entity_kind="maintenance plan")
    return list(entries.order_by("pk").values_list("change", flat=True))


# --- pages


def test_a_plan_is_made_in_the_browser_and_expects_what_comes(rosa: Client, post_event: PostEvent) -> None:
    assert "No maintenance is planned" in rosa.get("/maintenance").content.decode()
    rosa.post("/maintenance/new", asked(0))
    made = MaintenancePlan.objects.get()
    post_event(host="web-1")
    assert folders(the_incident()) == ["maintenance"]
    shown = rosa.get(made.get_absolute_url()).content.decode()
    assert "1 active alert in maintenance by it" in shown
    assert "Upgrade" in rosa.get("/maintenance").content.decode()
    assert audited() == ["created"]


def test_what_the_condition_finds_stands_beside_it_only_while_it_can_be_changed(rosa: Client) -> None:
    planned, running = plan("host = web-1", starts=60), plan("host = web-2")
    assert "/maintenance/preview" in rosa.get(f"{planned.get_absolute_url()}/edit").content.decode()
    shown = rosa.get(f"{running.get_absolute_url()}/edit").content.decode()
    assert "only its end can be changed" in shown
    assert "/maintenance/preview" not in shown
    assert "stands here while you write" not in shown


def test_what_a_condition_finds_now_is_looked_at_while_it_is_written(rosa: Client, post_event: PostEvent) -> None:
    post_event(host="web-1")
    post_event(host="web-2")
    shown = rosa.get("/maintenance/preview", {"condition": "host = web-1"}).content.decode()
    assert "1 active alert matches now" in shown
    assert "web-2" not in shown
    for wrong in ("host = = x", "assignee = ada"):
        assert "query-error" in rosa.get("/maintenance/preview", {"condition": wrong}).content.decode()
    assert "stands here while you write" in rosa.get("/maintenance/preview").content.decode()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "Give the plan a name."),
        ({"name": "n" * 201}, "A name can have 200 characters; this one has 201."),
        ({"condition": ""}, "Say which alerts it is about"),
        ({"condition": "host ="}, "Expected a value, but the query ends here. (at character 7)"),
        ({"condition": "assignee = ada"}, "is about an incident as a whole"),
        ({"starts_at": "soon"}, "Write it as 2026-03-24 14:30."),
        ({"ends_at": ""}, "Say when it ends."),
        ({"ends_at": "2020-01-01T00:00"}, "This time has passed already."),
        ({"starts_at": "2100-01-01T00:00"}, "It must end after it starts."),
        ({"description": "d" * 2001}, "A description can have 2,000 characters"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(rosa: Client, fields: dict[str, Any], message: str) -> None:
    reply = rosa.post("/maintenance/new", asked(0, **fields))
    assert reply.status_code == 200
    assert message in reply.content.decode()
    assert not MaintenancePlan.objects.exists()


def test_a_plan_that_runs_is_stopped_and_the_stop_taken_back(rosa: Client, post_event: PostEvent) -> None:
    made = plan("host = web-1")
    was_to_end = made.ends_at
    rosa.post(f"/maintenance/{made.pk}/stop")
    made.refresh_from_db()
    assert made.state is MaintenancePlan.State.DONE
    post_event(host="web-1")
    assert folders(the_incident()) == ["active", "unhandled"]
    assert "Undo the stop" in rosa.get(f"/maintenance/{made.pk}").content.decode()
    rosa.post(f"/maintenance/{made.pk}/resume")
    made.refresh_from_db()
    assert (made.state, made.ends_at) == (MaintenancePlan.State.RUNNING, was_to_end)
    post_event(host="web-1", description="still")
    assert folders(the_incident()) == ["maintenance"]
    assert audited() == ["deactivated", "activated"]


def test_only_what_runs_can_be_stopped_and_what_is_over_does_not_go_on(rosa: Client) -> None:
    planned, over = plan("host = web-1", starts=5), plan("host = web-1", ends=0)
    for path in (f"/maintenance/{planned.pk}/stop", f"/maintenance/{over.pk}/resume"):
        assert "banner-error" in rosa.post(path, follow=True).content.decode()
    assert "This plan is over" in rosa.get(f"/maintenance/{over.pk}/edit", follow=True).content.decode()
    assert audited() == []


def test_a_planned_one_is_changed_deleted_and_brought_back(rosa: Client) -> None:
    made = plan("host = web-1", starts=5)
    rosa.post(f"/maintenance/{made.pk}/edit", asked(10, condition="host = web-2"))
    made.refresh_from_db()
    assert made.condition == "host = web-2"
    rosa.post(f"/maintenance/{made.pk}/delete")
    shown = rosa.get("/maintenance").content.decode()
    assert "No maintenance is planned" in shown
    assert "Deleted, 1" in shown
    rosa.post(f"/maintenance/{made.pk}/restore")
    assert "Deleted, 1" not in rosa.get("/maintenance").content.decode()
    assert audited() == ["changed", "deleted", "restored"]


def test_of_one_that_runs_only_the_end_is_changed(rosa: Client) -> None:
    made = plan("host = web-1")
    rosa.post(f"/maintenance/{made.pk}/edit", asked(0, 300, condition="host = *", name="Everything"))
    before, made = made, MaintenancePlan.objects.get()
    assert (made.name, made.condition, made.starts_at) == (before.name, before.condition, before.starts_at)
    assert made.ends_at > before.ends_at


def test_who_may_not_change_plans_looks_at_them(rosa: Client, viewer: User, responder: User) -> None:
    made = plan("host = web-1")
    looking = Client()
    looking.force_login(viewer)
    assert looking.get("/maintenance").status_code == 200
    assert "Stop now" not in looking.get(f"/maintenance/{made.pk}").content.decode()
    for path in ("new", "preview", f"{made.pk}/edit"):
        assert looking.get(f"/maintenance/{path}").status_code == 403
    assert looking.post(f"/maintenance/{made.pk}/stop").status_code == 403
    assert "Maintenance plans" in rosa.get("/").content.decode()
    responder.role = Role.objects.create(name="Desk", permissions={"incidents": "full_access"})
    responder.save()
    assert rosa.get("/maintenance").status_code == 403
    assert "Maintenance plans" not in rosa.get("/").content.decode()


# --- the API


def test_a_script_plans_reads_changes_stops_and_deletes(script: Script, responder: User, post_event: PostEvent) -> None:
    assert script("GET", PLANS).status_code == 204
    made = script("POST", PLANS, sent(0, description="By script"))
    assert made.status_code == 201, made.content
    told = made.json()
    assert (told["status"], told["frequency"], told["created_by"]) == ("running", "Once", str(responder.pk))
    assert told["maintenance_key"].startswith("MNT-")
    path = f"{PLANS}/{told['id']}"
    assert script("GET", path).json() == told
    assert script("GET", f"{PLANS}?active=True").json() == [told]
    post_event(host="web-1")
    assert folders(the_incident()) == ["maintenance"]
    longer = script("PATCH", path, {"end": told["end"] + 60})
    assert (longer.status_code, longer.content) == (204, b"")
    assert script("GET", path).json()["end"] == told["end"] + 60
    refused = script("PATCH", path, {"name": "Another", "end": told["end"]})
    assert refused.status_code == 400
    assert refused.json()["errors"] == ["name: cannot be changed while the plan runs; its end can."]
    assert script("POST", f"{path}/stop").status_code == 204
    assert script("POST", f"{path}/stop").status_code == 400
    assert script("GET", path).json()["status"] == "done"
    assert script("PATCH", path, {"end": told["end"]}).status_code == 400
    assert script("GET", f"{PLANS}?active=True").status_code == 204
    assert script("DELETE", path).status_code == 204
    assert script("GET", path).status_code == 404
    assert audited() == ["created", "changed", "deactivated", "deleted"]


def test_of_a_planned_one_every_field_can_be_changed(script: Script) -> None:
    told = script("POST", PLANS, sent(5)).json()
    changed = {**told, "name": "Another", "condition": "host = web-2", "start": told["start"] + 60}
    assert script("PATCH", f"{PLANS}/{told['id']}", changed).status_code == 204
    now = script("GET", f"{PLANS}/{told['id']}").json()
    assert (now["name"], now["condition"], now["start"]) == (
        "Another",
        {"=": ["host", "web-2"]},
        told["start"] + 60,
    )


def test_plans_are_searched_sorted_and_in_pages(script: Script) -> None:
    for name, starts in (("Racks", 10), ("Databases", 5), ("Network", -1)):
        plan("host = web-1", name=name, starts=starts, description=f"About {name}")
    plan("host = web-1", name="Long ago", starts=-100 * 24 * 60, ends=-90 * 24 * 60)

    def names(query: str = "") -> list[str]:
        return [each["name"] for each in script("GET", f"{ORDERED}?{query}").json()]

    assert names() == ["Network", "Databases", "Racks"]
    assert names("sort_by=next_run&order=asc") == ["Network", "Databases", "Racks"]
    assert names("sort_by=next_run") == ["Racks", "Databases", "Network"]
    assert names("search_text=about%20RACKS") == ["Racks"]
    assert names("status=planned&order=asc") == ["Racks", "Databases"]
    assert names("status=Running") == ["Network"]
    assert names("status=done") == []
    plan("host = web-1", name="Übung", starts=-30, ends=-1)
    assert names("status=done") == names("search_text=übung") == ["Übung"]
    assert names("per_page=2&page=2") == ["Databases", "Racks"]
    assert names("frequency=recurring") == []
    for wrong in ("sort_by=name", "order=up", "status=asleep", "page=0", "frequency=hourly"):
        reply = script("GET", f"{ORDERED}?{wrong}")
        assert reply.status_code == 400
        assert wrong.split("=")[0] in reply.json()["error"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": 7}, "name: must be text."),
        ({"name": ""}, "name: Give the plan a name."),
        ({"condition": ["host"]}, "condition: must be a BPQL query, as text or as an object."),
        ({"condition": {"host": "web-1"}}, "condition: "),
        ({"condition": "host ="}, "condition: Expected a value"),
        ({"start": "tomorrow"}, "start: must be a time in seconds since 1970."),
        ({"end": True}, "end: must be a time in seconds since 1970."),
        ({"end": 10**30}, "end: must be a time in seconds since 1970."),
        ({"name": "\ud800"}, "name: holds characters that are not text (NUL, lone surrogates)."),
        (
            {"condition": {"=": ["host", "\ud800"]}},
            "condition: holds characters that are not text (NUL, lone surrogates).",
        ),
        ({"end": 5}, "end: This time has passed already."),
        ({"frequency": "Daily"}, "frequency: must be Once: plans that repeat are not supported."),
        ({"frequency_data": {"duration": 60}}, "frequency_data: must be left out"),
        ({"post_maintenance_action": "Resolve"}, "post_maintenance_action: must be None"),
        ({"time_zone": ["UTC"]}, "time_zone: must be the name of a time zone"),
        ({"custom_tags": [{"name": "a", "value": "b"}]}, "custom_tags: are not supported"),
        ({"colour": "red"}, "colour: is no property of a maintenance plan."),
    ],
)
def test_what_cannot_be_is_refused_by_field(script: Script, fields: dict[str, Any], message: str) -> None:
    reply = script("POST", PLANS, sent(0, **fields))
    assert reply.status_code == 400
    assert message in reply.json()["error"]
    assert not MaintenancePlan.objects.exists()


def test_what_is_required_is_said(script: Script) -> None:
    errors = script("POST", PLANS, {}).json()["errors"]
    assert [each.split(":")[0] for each in errors] == ["name", "condition", "start", "end"]
    assert script("POST", PLANS, ["host"]).status_code == 400


def test_a_key_of_who_may_not_is_told_so(viewer: User, script: Script) -> None:
    looking = Script(viewer)
    assert looking("GET", ORDERED).json() == []
    refused = looking("POST", PLANS, sent(0))
    assert refused.status_code == 403
    assert "Maintenance plans" in refused.json()["error"]
    for path in (f"{PLANS}/0", f"{PLANS}/nobody", f"{PLANS}/{2**70}"):
        assert script("GET", path).status_code == 404


# --- the API document


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_taken(name: str, script: Script) -> None:
    reply = script("POST", PLANS, EXAMPLES[name]["value"])
    assert reply.status_code == 201, reply.content
    assert set(reply.json()) == set(document()["components"]["schemas"]["MaintenancePlan"]["properties"])


@pytest.mark.parametrize("wrong", [{"frequency": "Weekly"}, {"end": 1899999999}, {"condition": "assignee = ada"}])
def test_a_plan_that_repeats_ends_too_soon_or_is_about_incidents_is_refused(
    wrong: dict[str, Any], script: Script
) -> None:
    assert script("POST", PLANS, EXAMPLES["condition-as-text"]["value"] | wrong).status_code == 400
