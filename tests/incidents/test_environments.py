"""Tests of environments: their incidents, the roles that see them, and their pages."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from appkeys.models import AppKey
from incidents import actions
from incidents.correlation import worker
from incidents.environments.placement import found_by
from incidents.models import Environment, Incident
from people.models import Role, User
from tests.conftest import PostEvent
from tests.incidents import streams


@pytest.fixture
def ada(client: Client, admin: User) -> Client:
    """Return the browser of an administrator."""
    client.force_login(admin)
    return client


@pytest.fixture
def create(ada: Client, django_capture_on_commit_callbacks: Any) -> Callable[..., Environment]:
    def create(name: str, query: str, **fields: Any) -> Environment:
        with django_capture_on_commit_callbacks(execute=True):
            reply = ada.post("/environments/new", {"name": name, "query": query, **fields})
        assert reply.status_code == 302, reply.content.decode()
        return Environment.objects.get(name=name)

    return create


def titles(client: Client, path: str) -> set[str]:
    reply = client.get(path)
    assert reply.status_code == 200, reply.status_code
    return {row.title for row in reply.context["page"].rows}


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def holds(environment: Environment) -> set[str]:
    """Return the titles of the incidents that an environment holds, which must be those that its query finds."""
    kept = set(Incident.objects.in_environment(environment))
    assert kept == set(Incident.objects.filter(found_by(environment.query)))
    return {incident.title for incident in kept}


def test_an_environment_holds_what_its_query_finds_before_and_after_it_was_made(
    ada: Client, create: Callable[..., Environment], post_event: PostEvent
) -> None:
    post_event(host="db-1", team="payments")
    post_event(host="web-1", team="shop")
    payments = create("Payments", "team = payments")
    post_event(host="db-2", team="payments")
    assert holds(payments) == {"db-1", "db-2"}
    assert titles(ada, f"/?env={payments.pk}") == {"db-1", "db-2"}


def test_it_follows_alerts_people_and_a_changed_query(
    ada: Client,
    admin: User,
    create: Callable[..., Environment],
    post_event: PostEvent,
    django_capture_on_commit_callbacks: Any,
) -> None:
    post_event(host="db-1", team="payments")
    critical, mine = create("Critical", "status = critical"), create("Ada's", "assignee = ada")
    said = create("Said", "comment = network")
    assert (holds(critical), holds(mine), holds(said)) == ({"db-1"}, set(), set())
    (incident,) = Incident.objects.all()
    actions.assign(incident, to=admin, by=admin)
    actions.comment(incident, by=admin, text="It is the network")
    post_event(host="db-1", team="payments", status="warning")
    assert (holds(critical), holds(mine)) == (set(), {"db-1"})
    holds(said)
    actions.resolve(incident, by=admin)
    holds(critical)
    with django_capture_on_commit_callbacks(execute=True):
        ada.post(f"/environments/{critical.pk}", {"name": "Payments", "query": "team = payments"})
    critical.refresh_from_db()
    assert holds(critical) == {"db-1"}


def test_it_keeps_an_incident_whatever_joins_until_the_alert_that_it_found_changes(
    create: Callable[..., Environment], post_event: PostEvent
) -> None:
    network = create("Network", "team = network")
    post_event(host="db-1", check="link", team="network")
    post_event(host="db-1", check="disk", team="payments")
    assert holds(network) == {"db-1"}
    post_event(host="db-1", check="disk", team="payments", status="warning")
    assert holds(network) == {"db-1"}
    post_event(host="db-1", check="link", team="shop", status="warning")
    assert holds(network) == set()


def test_an_alert_that_joins_costs_the_same_queries_in_one_environment_and_in_ten(
    create: Callable[..., Environment],
    post_event: PostEvent,
    django_assert_max_num_queries: Any,
) -> None:
    post_event(host="db-1", check="link", team="network")
    create("Network", "team = network")
    post_event(host="db-1", check="disk", team="payments")
    with CaptureQueriesContext(connection) as queries:
        post_event(host="db-1", check="cpu", team="payments")
    in_one = len(queries)
    for number in range(9):
        create(f"Network {number}", "team = network")
    post_event(host="db-1", check="load", team="payments")
    with django_assert_max_num_queries(in_one + 5):  # something may be written from time to time; nine would cost nine
        post_event(host="db-1", check="memory", team="payments")


@pytest.mark.django_db
def test_environments_hold_what_their_queries_find_whatever_comes(
    responder: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Play a stream with late, repeated, ended and reopened alerts, while people resolve, merge, split and undo."""
    queries = (
        "host = host-3",
        "check != check-1",
        "status = ok",
        "host = host-* AND status = critical",
        "host-4",
        "host === host-1",
    )
    everywhere = [Environment.objects.create(name=query, query=query) for query in (*queries, "source = nowhere")]
    app_keys = [AppKey.issue(name=name)[0] for name in ("Nagios", "Zabbix")]
    monkeypatch.setattr(worker, "LONGEST_PAUSE", 0)
    streams.install_patterns()
    draw = random.Random(6)
    for place, batch in enumerate(streams.Stream(6, events=400)):
        streams.store(app_keys, batch, place)
        worker.correlate_behind()
        if draw.random() < 0.1:
            streams.act(draw, responder)
        if place % 20 == 0:
            assert [holds(environment) for environment in everywhere][-1] == set()
    assert all(map(holds, everywhere[:-1]))


def test_an_environment_without_a_query_holds_everything(
    create: Callable[..., Environment], post_event: PostEvent
) -> None:
    everything = create("Everything", "")
    post_event(host="db-1")
    assert holds(everything) == {"db-1"}


def test_the_sidebar_counts_folders_of_each_environment(
    ada: Client, admin: User, create: Callable[..., Environment], post_event: PostEvent
) -> None:
    create("Payments", "team = payments", group="Teams")
    create("Databases", "host = db-*")
    for host in ("db-1", "db-2", "web-1"):
        post_event(host=host, team="payments")
    actions.assign(Incident.objects.get(title="db-1"), to=admin, by=admin)
    sidebar = ada.get("/").context["sidebar"]
    assert [(title, [place.environment.name for place in places]) for title, places in sidebar.sections] == [
        ("Teams", ["Payments"]),
        ("Environments", ["Databases"]),
    ]
    counts = {
        place.environment.name if place.environment else "": [each.count for each in place.folders[:2]]
        for place in sidebar.places
    }
    assert counts == {"": ["3", "2"], "Payments": ["3", "2"], "Databases": ["2", "1"]}


def test_counting_costs_the_same_for_one_environment_and_thirty(
    ada: Client, create: Callable[..., Environment], post_event: PostEvent, django_assert_max_num_queries: Any
) -> None:
    post_event(host="db-1")
    create("One", "host = db-1")
    with django_assert_max_num_queries(16):
        ada.get("/")
    for number in range(29):
        create(f"E{number}", f"host = db-{number}")
    with django_assert_max_num_queries(16):
        ada.get("/")


def test_a_starred_environment_stands_first(ada: Client, create: Callable[..., Environment]) -> None:
    create("Aaa", "host = a")
    wanted = create("Zzz", "host = z")
    ada.post(f"/environments/{wanted.pk}/star")
    assert [title for title, _ in ada.get("/").context["sidebar"].sections] == ["Starred", "Environments"]
    ada.post(f"/environments/{wanted.pk}/star")
    assert [title for title, _ in ada.get("/").context["sidebar"].sections] == ["Environments"]


def test_what_is_kept_for_a_role_is_nowhere_for_others(
    create: Callable[..., Environment], responder: User, viewer: User, post_event: PostEvent
) -> None:
    vault = create("Vault", "team = security", seen_by=[viewer.role_id])
    post_event(host="vault-1", team="security")
    post_event(host="web-1", team="shop")
    secret = Incident.objects.get(title="vault-1")
    inside, outside = browser_of(viewer), browser_of(responder)
    assert titles(inside, "/") == {"vault-1", "web-1"}
    assert titles(inside, f"/?env={vault.pk}") == {"vault-1"}
    assert titles(outside, "/") == {"web-1"}
    assert outside.get("/").context["sidebar"].everything.active.count == "1"
    (alert,) = secret.alerts.all()
    for path in (
        f"/?env={vault.pk}",
        f"/live/state?env={vault.pk}",
        f"/incidents/{secret.pk}",
        f"/incidents/{secret.pk}/activity",
        f"/alerts/{alert.pk}",
    ):
        assert outside.get(path).status_code == 404
    for action in ("resolve", "assign", "comment"):
        assert outside.post(f"/incidents/{secret.pk}/{action}").status_code == 404
    assert "security" not in outside.get("/suggestions?q=team = ").content.decode()
    shop = Incident.objects.get(title="web-1")
    assert "vault-1" in inside.get(f"/why-not?other={shop.pk}").content.decode()
    assert "vault-1" not in outside.get(f"/why-not?other={shop.pk}").content.decode()


def test_who_may_see_need_not_be_allowed_to_act(
    create: Callable[..., Environment], responder: User, post_event: PostEvent
) -> None:
    leads = Role.objects.create(name="Leads", permissions={"incidents": "full_access"})
    create("Core", "team = core", acted_by=[leads.pk])
    post_event(host="core-1", team="core")
    (incident,) = Incident.objects.all()
    looking = browser_of(responder)
    assert looking.get(f"/incidents/{incident.pk}").status_code == 200
    assert looking.post(f"/incidents/{incident.pk}/assign").status_code == 404
    responder.role = leads
    responder.save()
    assert looking.post(f"/incidents/{incident.pk}/assign").status_code == 302


def test_a_role_that_is_deleted_leaves_its_environment_closed(
    create: Callable[..., Environment], responder: User, post_event: PostEvent
) -> None:
    leads = Role.objects.create(name="Leads", permissions={"incidents": "full_access"})
    create("Core", "team = core", seen_by=[leads.pk])
    post_event(host="core-1", team="core")
    leads.delete()
    assert titles(browser_of(responder), "/") == set()


def test_a_delete_is_taken_back_with_everything_in_it(
    ada: Client, create: Callable[..., Environment], post_event: PostEvent, django_capture_on_commit_callbacks: Any
) -> None:
    payments = create("Payments", "team = payments")
    reply = ada.post(f"/environments/{payments.pk}/delete")
    assert "Payments is deleted" in reply.content.decode()
    assert ada.get(f"/?env={payments.pk}").status_code == 404
    post_event(host="db-1", team="payments")
    with django_capture_on_commit_callbacks(execute=True):
        ada.post(f"/environments/{payments.pk}/restore")
    payments.refresh_from_db()
    assert holds(payments) == {"db-1"}


def test_a_query_is_looked_at_while_it_is_written(ada: Client, post_event: PostEvent) -> None:
    post_event(host="db-1", team="payments")
    post_event(host="web-1", team="shop")
    shown = ada.get("/environments/preview", {"query": "team = payments"}).content.decode()
    assert "1 open incident matches" in shown
    assert "db-1" in shown
    assert "web-1" not in shown
    broken = ada.get("/environments/preview", {"query": "team = = x"}).content.decode()
    assert "query-error" in broken


def test_what_is_wrong_is_told_at_its_field(ada: Client, create: Callable[..., Environment]) -> None:
    create("Payments", "")
    assert "has this name already" in ada.post("/environments/new", {"name": "PAYMENTS"}).content.decode()
    assert "Give the environment a name" in ada.post("/environments/new", {}).content.decode()
    assert "id_query-error" in ada.post("/environments/new", {"name": "x", "query": "a = ("}).content.decode()
    assert ada.post("/environments/new", {"name": "x", "seen_by": ["no"]}).status_code == 200


def test_a_responder_does_not_change_environments(create: Callable[..., Environment], responder: User) -> None:
    payments = create("Payments", "")
    looking = browser_of(responder)
    for path in ("/environments/new", f"/environments/{payments.pk}", f"/environments/{payments.pk}/delete"):
        assert looking.post(path, {"name": "x"}).status_code == 403
    assert "New environment" not in looking.get("/").content.decode()


@pytest.mark.parametrize("key", ["x", "0", "99999999999999999999", "-1", "1e3", "²"])
def test_an_environment_that_is_not_there_is_not_found(ada: Client, key: str) -> None:
    assert ada.get("/", {"env": key}).status_code == 404
