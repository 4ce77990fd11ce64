"""A database that accepts no changes: people read the console, and an act that fails says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from appkeys.models import AppKey
from db import outage
from incidents.models import Incident
from people.models import ApiKey, User
from people.sessions import SEEN
from tests.conftest import PASSWORD, PostEvent, Reply

pytestmark = pytest.mark.django_db(transaction=True)
SAYS = "The database accepts no changes at the moment."


@contextmanager
def read_only() -> Iterator[None]:
    """Make this connection as read-only as one to a standby, or to a file that cannot be written."""
    statement = "PRAGMA query_only = {}" if connection.vendor == "sqlite" else "SET default_transaction_read_only = {}"
    with connection.cursor() as cursor:
        cursor.execute(statement.format("on"))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(statement.format("off"))
        outage.note_success()


def get_quietly(client: Client, path: str) -> Reply:
    client.raise_request_exception = False
    reply: Reply = client.get(path)
    return reply


@pytest.fixture
def incident(post_event: PostEvent, starting_patterns: None) -> Incident:
    assert post_event(host="db-1", check="CPU").status_code == 201
    return Incident.objects.get()


def test_pages_can_be_read_and_say_that_nothing_is_kept(
    client: Client, admin: User, incident: Incident, app_key: AppKey
) -> None:
    client.force_login(admin)
    session = client.session
    session[SEEN] = 1  # so long ago that the next page notes that the browser was seen
    session.save()
    pages = ["/", f"/incidents/{incident.pk}", "/?q=db-1", "/patterns", "/integrations", "/people", "/me", "/audit"]
    pages += ["/maintenance", "/api", f"/integrations/{app_key.pk}", f"/alerts/{incident.alerts.get().pk}"]
    pages += [f"/integrations/{app_key.pk}/doctor", "/audit.csv"]
    with read_only():
        for page in pages:
            reply = get_quietly(client, page)
            assert reply.status_code in (200, 301, 302), page
            if reply.status_code == 200 and not page.endswith("csv"):
                assert SAYS in reply.content.decode(), page
    assert SAYS not in client.get("/").content.decode()


def test_scripts_can_read(client: Client, admin: User, incident: Incident) -> None:
    _, secret = ApiKey.issue(admin, name="reads", expires_at=None)
    client.raise_request_exception = False
    with read_only():
        reply = client.get("/resources/v2.0/correlation-patterns", headers={"Authorization": f"Bearer {secret}"})
    assert reply.status_code == 200


def test_an_action_says_why_it_fails_on_a_page_and_in_a_pane(client: Client, admin: User, incident: Incident) -> None:
    client.force_login(admin)
    client.raise_request_exception = False
    with read_only():
        on_page = client.post(f"/incidents/{incident.pk}/resolve")
        in_pane = client.post(f"/incidents/{incident.pk}/resolve", headers={"HX-Request": "true"})
    assert (on_page.status_code, in_pane.status_code) == (503, 503)
    assert f"<h1>{SAYS}</h1>" in on_page.content.decode()
    assert in_pane.headers["Content-Type"].startswith("text/plain")
    assert in_pane.content.decode().startswith(SAYS)
    incident.refresh_from_db()
    assert incident.resolved_at is None


def test_a_sign_in_says_why_it_fails(client: Client, admin: User) -> None:
    client.raise_request_exception = False
    with read_only():
        reply = client.post("/login", {"username": admin.username, "password": PASSWORD})
    assert reply.status_code == 503
    assert "Nobody can sign in until it does." in reply.content.decode()


@pytest.mark.parametrize("path", ["/data/v2/alerts", "/oim/prometheus/alerts", "/v2/enqueue"])
def test_a_sender_is_told_in_json_to_send_again(client: Client, org_token: Any, app_key: Any, path: str) -> None:
    alert = {"app_key": app_key.secret, "status": "critical", "host": "web-1", "check": "CPU"}
    bodies: dict[str, Any] = {
        "/data/v2/alerts": alert,
        "/oim/prometheus/alerts": {
            "app_key": app_key.secret,
            "alerts": [{"status": "firing", "labels": {"alertname": "Down", "instance": "a:1"}, "annotations": {}}],
        },
        "/v2/enqueue": {
            "routing_key": f"{org_token.secret}:{app_key.secret}",
            "event_action": "trigger",
            "payload": {"summary": "Down", "source": "a", "severity": "critical"},
        },
    }
    client.raise_request_exception = False
    headers = {"Authorization": f"Bearer {org_token.secret}"}
    with read_only():
        refused = client.post(path, bodies[path], content_type="application/json", headers=headers)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "5"
    assert json.loads(refused.content)["errors"][0].startswith(SAYS)
    assert client.post(path, bodies[path], content_type="application/json", headers=headers).status_code in (201, 202)
