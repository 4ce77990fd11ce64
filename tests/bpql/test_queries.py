"""Tests of queries: what a query finds, and the error of a query that cannot be read (docs/wire-contract.md §5.4)."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.models import Alert
from bpql import BpqlError, parse
from incidents import actions
from incidents.models import CorrelationPattern, Incident, IncidentTag, IncidentTagValue, Priority
from incidents.search import conditions

SHOP: list[dict[str, Any]] = [
    {"host": "web-1", "check": "CPU", "description": "Load is 12"},
    {"host": "web-2", "check": "Disk full", "Datacenter": "Köln", "status": "warning"},
    {"host": "db-1", "check": "Disk full", "team": ["storage", "Night Shift"], "path": "/var/log"},
]


@pytest.fixture
def shop(post_batch: Any) -> None:
    """Send three alerts, each of which opens an incident of its own."""
    CorrelationPattern.objects.all().delete()
    post_batch(*({"status": "critical", **item} for item in SHOP))


def hosts(query: str) -> set[str]:
    return {alert.primary_value for alert in Alert.objects.filter(conditions.for_alerts(parse(query)))}


def titles(query: str) -> set[str]:
    return {incident.title for incident in Incident.objects.filter(conditions.for_incidents(parse(query)))}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"web-1", "web-2", "db-1"}),
        ("host = web-1", {"web-1"}),
        ("host:WEB-1", {"web-1"}),
        ("HOST = 'web-1'", {"web-1"}),
        ("host = web-*", {"web-1", "web-2"}),
        ("host = *-1", {"web-1", "db-1"}),
        ("host = web", set()),
        ("host = /^web-[0-9]$/", {"web-1", "web-2"}),
        ("host = /1/", {"web-1", "db-1"}),
        ("host != web-1", {"web-2", "db-1"}),
        ("host IN [web-1, db-*]", {"web-1", "db-1"}),
        ("host not in [web-1, db-*]", {"web-2"}),
        ("check = 'disk full'", {"web-2", "db-1"}),
        ('check = "disk full" and host = db-1 or host = web-1', {"web-1", "db-1"}),
        ('check = "disk full" and (host = db-1 or host = web-1)', {"db-1"}),
        ("datacenter = KÖLN", {"web-2"}),
        ("datacenter = *", {"web-2"}),
        ("datacenter != *", {"web-1", "db-1"}),
        ("datacenter NOT IN [köln]", {"web-1", "db-1"}),
        ("datacenter != /[a-z]+/", {"web-1", "db-1"}),
        ("team = 'night shift'", {"db-1"}),
        ("path = '/var/log'", {"db-1"}),
        ("status = Critical", {"web-1", "db-1"}),
        ("status != critical", {"web-2"}),
        ("source = api.nagios", {"web-1", "web-2", "db-1"}),
        ("source_system = API.*", {"web-1", "web-2", "db-1"}),
        ("source = nagios", set()),
        ("disk", {"web-2", "db-1"}),
        ("disk web", {"web-2"}),
        ("'is 12'", {"web-1"}),
        ("check", set()),
        ("api.nag", {"web-1", "web-2", "db-1"}),
        ('{"AND": [{"=": ["host", {"type": "regex", "value": "web-*"}]}, {"!=": ["status", "warning"]}]}', {"web-1"}),
    ],
)
def test_a_query_finds_alerts(shop: None, query: str, found: set[str]) -> None:
    assert hosts(query) == found


def test_an_incident_is_found_by_one_alert_that_matches_all_of_it(post_event: Any) -> None:
    CorrelationPattern.objects.exclude(tags=["host"]).delete()
    for check, level in (("cpu", "high"), ("disk", "low")):
        post_event(check=check, level=level)
    assert titles("check = cpu AND level = high") == {"web-1"}
    assert titles("check = cpu AND level = low") == set()
    assert titles("check != cpu") == {"web-1"}


def test_three_equal_signs_ask_for_every_alert_of_an_incident(post_event: Any) -> None:
    CorrelationPattern.objects.exclude(tags=["host"]).delete()
    for check in ("cpu", "disk"):
        post_event(check=check)
    assert titles("check = cpu") == {"web-1"}
    assert titles("check === cpu") == set()
    assert titles("host === web-* AND check = cpu") == {"web-1"}


def test_what_only_an_incident_has_is_found(shop: None, responder: Any) -> None:
    incident = Incident.objects.get(title="web-2")
    actions.assign(incident, to=responder, by=responder)
    actions.comment(incident, by=responder, text="Ordered a LARGER disk")
    assert titles("assignee = ROSA") == {"web-2"}
    assert titles("assignee != rosa") == {"web-1", "db-1"}
    assert titles("comment = larger") == {"web-2"}
    actions.comment(incident, by=responder, text="Übergabe an die Nachtschicht")
    assert titles("comment = übergabe") == titles("comment = ÜBERGABE*") == {"web-2"}
    assert titles("comment = *cheaper*") == set()
    assert titles("larger OR host = db-1") == {"web-2", "db-1"}


def test_tags_that_people_set_on_incidents_are_found(shop: None) -> None:
    team = IncidentTag.objects.create(name="Team")
    for title, values in (("web-1", ["Köln"]), ("db-1", ["Berlin", "KÖLN"])):
        IncidentTagValue.objects.create(incident=Incident.objects.get(title=title), tag=team, values=values)
    Incident.objects.filter(title="web-2").update(priority=Priority.P1)
    assert titles("incident_tag.team = köln") == {"web-1", "db-1"}
    assert titles("incident_tag.TEAM = ber*") == {"db-1"}
    assert titles("incident_tag.team != *") == {"web-2"}
    assert titles("incident_tag.priority IN [p1, P2]") == {"web-2"}


def test_what_is_about_incidents_is_refused_where_alerts_are_asked_for() -> None:
    for query in ("host = a AND check === b", "host = a AND comment = b"):
        with pytest.raises(BpqlError) as refusal:
            conditions.for_alerts(parse(query))
        assert refusal.value.position == 13
        assert "incident as a whole" in refusal.value.message


@pytest.mark.parametrize(
    ("query", "position", "message"),
    [
        ("host =", 6, "Expected a value, but the query ends here."),
        ("host = web 1", 11, "Expected AND or OR, found “1”."),
        ("(host = a", 9, "Expected “)”, but the query ends here."),
        ("host = a)", 8, "found “)”"),
        ("host IN a", 8, "Expected a list in brackets, as in [a, b], found “a”."),
        ("host IN [a b]", 11, "Expected a comma or “]”, found “b”."),
        ('host = "a', 7, "This quote is not closed."),
        ("path = /var/log", 7, "put a text that begins with / in quotes"),
        ("AND host = a", 0, "Expected a tag or keyword, found “AND”."),
        ("h* = a", 0, "has no wildcards"),
        ("host = /a**/", 10, "Repeats of repeats"),
        ("host = /(a/", 10, "Expected “)” to close the group."),
        ("host = /[a/", 10, "Expected “]”"),
        ("host = /(?=a)/", 9, "lookarounds"),
        (r"host = /(a)\1/", 12, "is not supported"),
        ("host = /a{1000}/", 10, "up to 100 times"),
        ("host = /(a{50}){50}/", 19, "too large"),
        ("host = a " + "b" * 2000, 2000, "2,000 characters"),
        ("a " * 500, 0, "200 conditions"),
        ("(a OR b AND " * 150 + "c" + ")" * 150, 0, "nested 20 deep"),
        ("{", 1, "begins like JSON"),
        ('{"~": ["a", "b"]}', 0, "no operator"),
        ('{"=": ["a"]}', 0, "takes a tag and a value"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(query: str, position: int, message: str) -> None:
    with pytest.raises(BpqlError) as error:
        parse(query)
    assert message in error.value.message
    assert error.value.position == position


@pytest.mark.parametrize(
    "query",
    [
        'host = "prod-*" AND (check = "cpu" OR check != "disk full")',
        r'host IN ["a\*b", "c*", /^d\/e$/] OR "a \"phrase\""',
        'source NOT IN ["api.*"] AND status === "ok"',
    ],
)
def test_text_and_object_form_say_the_same(query: str) -> None:
    assert str(parse(query)) == query
    assert parse(parse(query).as_object()) == parse(query)


def test_an_expression_that_other_engines_would_never_finish_is_answered(shop: None, post_event: Any) -> None:
    post_event(host="a" * 500)
    assert hosts("host = /(a+)+$/") == {"a" * 500}
    assert hosts("host = /^(a|a)*x$/") == set()
    assert hosts("host = /(.*)*(.*)*x/") == set()
