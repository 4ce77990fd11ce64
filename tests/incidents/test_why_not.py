"""Tests of explanations why an alert is in its incident and not in another one, on pages and as JSON."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import Any

import pytest
from django.test import Client

from alerts.models import Alert
from appkeys.models import AppKey
from incidents import actions
from incidents.models import CorrelationPattern, Incident
from incidents.patterns import changes
from people.models import ApiKey, User
from tests.described import DescribedClient

NOW = int(time.time()) - 3600


@pytest.fixture
def page(client: Client, admin: User) -> Client:
    CorrelationPattern.objects.all().delete()
    client.force_login(admin)
    return client


@pytest.fixture
def pattern(page: Client, admin: User) -> Any:
    def make(*tags: str, **fields: Any) -> CorrelationPattern:
        return changes.create(changes.read({"tags": list(tags), "time_window": 60, **fields}), by=admin)

    return make


def alert(host: str) -> Alert:
    return Alert.objects.get(tags__host=host)


def home(host: str) -> Incident:
    """Return the incident of the alert of a host."""
    incident = alert(host).incident
    assert incident
    return incident


def said(reply: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", reply.content.decode())).split())


@pytest.fixture
def why_not(page: Client) -> Any:
    """Return a function that reads the page about one host's alert and another host's incident."""

    def ask(host: str, other: str, *, about_alert: bool = False) -> str:
        wanted = alert(other).pk if about_alert else home(other).pk
        return said(page.get("/why-not", {"alert": alert(host).pk, "other": wanted}))

    return ask


def test_why_not_names_the_tag_that_differs(pattern: Any, post_event: Any, why_not: Any) -> None:
    pattern("cluster", "check")
    post_event(host="a", cluster="fra", check="cpu")
    post_event(host="b", cluster="ber", check="cpu")
    text = why_not("b", "a")
    assert "Cluster is “ber” here and “fra” there." in text
    assert "cluster ber fra not the same" in text
    assert "check cpu cpu the same" in text
    assert "Cluster is “ber” here and “fra” there." in why_not("b", "a", about_alert=True)


def test_why_not_names_the_tag_that_is_missing(pattern: Any, post_event: Any, why_not: Any) -> None:
    pattern("cluster")
    post_event(host="a", cluster="fra")
    post_event(host="b")
    assert "The alert has no tag “cluster”." in why_not("b", "a")
    assert "cluster missing fra" in why_not("b", "a")


def test_why_not_says_by_how_many_minutes_the_alert_was_outside_the_window(
    pattern: Any, post_event: Any, why_not: Any
) -> None:
    pattern("cluster", time_window=10)
    post_event(host="a", cluster="fra", timestamp=NOW)
    post_event(host="b", cluster="fra", timestamp=NOW + 17 * 60)
    text = why_not("b", "a")
    assert "Both have cluster “fra”, but the alert started 7 minutes outside the window." in text
    assert "Window:" in text


def test_why_not_names_the_filter_that_the_alert_does_not_pass(pattern: Any, post_event: Any, why_not: Any) -> None:
    pattern("cluster", filter="host != b")
    post_event(host="a", cluster="fra")
    post_event(host="b", cluster="fra")
    assert "Its filter, host != b, says no to the alert." in why_not("b", "a")


def test_why_not_names_the_filter_that_the_first_alert_does_not_pass(
    pattern: Any, post_event: Any, why_not: Any
) -> None:
    pattern("cluster", filter="host != a")
    post_event(host="a", cluster="fra")
    post_event(host="b", cluster="fra")
    number = f"#{home('a').pk}"
    assert (
        f"The values are the same, but its filter, host != a, says no to “host=a”, the first alert of {number}."
        in why_not("b", "a")
    )


def test_why_names_the_filter_that_the_alert_does_not_pass(page: Client, pattern: Any, post_event: Any) -> None:
    pattern("cluster", filter="host != b")
    post_event(host="b", cluster="fra")
    assert "This pattern's filter, host != b, says no to it." in said(page.get(f"/incidents/{home('b').pk}/why"))


def test_why_not_says_that_the_incident_was_resolved(pattern: Any, post_event: Any, why_not: Any, admin: User) -> None:
    pattern("cluster")
    post_event(host="a", cluster="fra")
    actions.resolve(home("a"), by=admin)
    post_event(host="b", cluster="fra")
    assert re.search(r"Both have cluster “fra”, but #\d+ was resolved when the alert started\.", why_not("b", "a"))


def test_why_not_says_that_the_incident_was_full(pattern: Any, post_event: Any, why_not: Any, settings: Any) -> None:
    settings.ALERTS_PER_INCIDENT = 1
    pattern("cluster")
    post_event(host="a", cluster="fra")
    post_event(host="b", cluster="fra")
    assert "has no room for another alert." in why_not("b", "a")


def test_why_not_says_that_the_pattern_was_off(pattern: Any, post_event: Any, why_not: Any) -> None:
    pattern("cluster", active=False)
    post_event(host="a", cluster="fra")
    post_event(host="b", cluster="fra")
    post_event(host="c", cluster="ber")
    assert "The values are the same, but it was switched off when the alert came." in why_not("b", "a")
    assert "It was switched off when the alert came. Cluster is “ber” here and “fra” there." in why_not("c", "a")


def test_why_not_says_that_the_pattern_was_made_later(pattern: Any, post_event: Any, why_not: Any) -> None:
    post_event(host="a", cluster="fra")
    post_event(host="b", cluster="fra")
    pattern("cluster")
    assert f"this pattern was not on when #{home('a').pk} was opened" in why_not("b", "a")


def test_why_not_says_that_the_pattern_was_off_when_the_incident_was_opened(
    pattern: Any, post_event: Any, why_not: Any, admin: User
) -> None:
    made = pattern("cluster", active=False)
    post_event(host="a", cluster="fra")
    changes.set_active(made, True, by=admin)
    post_event(host="b", cluster="fra")
    assert f"this pattern was not on when #{home('a').pk} was opened" in why_not("b", "a")


def test_why_not_says_that_the_pattern_was_off_when_the_alert_came(
    pattern: Any, post_event: Any, why_not: Any, admin: User
) -> None:
    made = pattern("cluster")
    post_event(host="a", cluster="fra")
    changes.set_active(made, False, by=admin)
    post_event(host="b", cluster="fra")
    changes.set_active(made, True, by=admin)
    assert "The values are the same, but it was switched off when the alert came." in why_not("b", "a")


def test_why_not_says_that_a_person_made_the_incident(pattern: Any, post_event: Any, why_not: Any, admin: User) -> None:
    pattern("cluster", time_window=10)
    for host in ("a", "b"):
        post_event(host=host, cluster="fra", timestamp=NOW)
    actions.split(home("a"), [alert("b").pk], by=admin)
    post_event(host="c", cluster="fra", timestamp=NOW + 17 * 60)
    assert f"#{home('b').pk} was made by hand: no pattern leads alerts there." in why_not("c", "b")


def test_why_and_why_not_say_that_a_person_took_the_alert_out(
    page: Client, pattern: Any, post_event: Any, why_not: Any, admin: User
) -> None:
    pattern("cluster")
    for host in ("a", "b", "c"):
        post_event(host=host, cluster="fra")
    old = home("a")
    actions.split(old, [alert("b").pk], by=admin)
    new = home("b")
    assert f"It led the alert to #{old.pk}, and a person put it into #{new.pk}." in why_not("b", "a")
    assert f"A person put it here. By its patterns it had joined #{old.pk}." in said(
        page.get(f"/incidents/{new.pk}/why")
    )
    assert "A person" not in said(page.get(f"/incidents/{old.pk}/why"))


def test_why_says_that_a_person_merged_the_incident_of_the_alert(
    page: Client, pattern: Any, post_event: Any, admin: User
) -> None:
    pattern("cluster")
    post_event(host="a", cluster="fra")
    post_event(host="b", cluster="ber")
    actions.merge(home("a"), [home("b")], by=admin)
    text = said(page.get(f"/incidents/{home('a').pk}/why"))
    assert "A person put it here. By its patterns it had opened an incident of its own." in text
    assert "It opened this incident: no pattern led to one that was open." in text


def test_why_not_says_that_the_pattern_separates_sources(
    pattern: Any, post_event: Any, send: Any, why_not: Any
) -> None:
    pattern("cluster", cross_source=False)
    _, secret = AppKey.issue(name="Prometheus")
    post_event(host="a", cluster="fra")
    send({"app_key": secret, "status": "critical", "host": "b", "cluster": "fra"})
    assert "they come from different sources" in why_not("b", "a")


def test_why_not_says_that_an_earlier_pattern_found_another_incident(
    page: Client, pattern: Any, post_event: Any
) -> None:
    pattern("host", time_window=120)
    pattern("cluster", time_window=60)
    post_event(host="a", cluster="fra", check="x")
    post_event(host="b", cluster="ber", check="x")
    post_event(host="b", cluster="fra", check="y")
    late = Alert.objects.get(tags__check="y")
    text = said(page.get("/why-not", {"alert": late.pk, "other": home("a").pk}))
    assert "a pattern before it led the alert to" in text


def test_why_not_is_about_the_first_alert_of_a_later_incident(pattern: Any, post_event: Any, why_not: Any) -> None:
    pattern("cluster")
    post_event(host="a", cluster="fra")
    post_event(host="b", cluster="ber")
    text = why_not("a", "b")
    assert (
        f"#{home('b').pk} was opened after #{home('a').pk}, so it is its alert “host=b” that could have joined." in text
    )


def test_why_not_names_the_pattern_that_came_closest(pattern: Any, post_event: Any, why_not: Any) -> None:
    pattern("cluster", "check")
    pattern("rack")
    post_event(host="a", cluster="fra", check="cpu", rack="1")
    post_event(host="b", cluster="ber", check="cpu", rack="2")
    assert "Nearest was “same cluster and check within 1 hour”. Cluster is “ber” here and “fra” there." in why_not(
        "b", "a"
    )


def test_why_not_of_an_alert_alone_is_about_the_nearest_incidents(page: Client, pattern: Any, post_event: Any) -> None:
    pattern("cluster", time_window=10)
    post_event(host="a", cluster="fra", timestamp=NOW)
    post_event(host="b", cluster="fra", timestamp=NOW + 17 * 60)
    post_event(host="c", cluster="ber", timestamp=NOW + 18 * 60)
    reply = page.get("/why-not", {"alert": alert("b").pk})
    # The incident that shares most tags comes first.
    assert [near.incident for near in reply.context["nearest"]] == [home("a"), home("c")]
    assert "the alert started 7 minutes outside the window." in said(reply)
    assert f"?alert={alert('b').pk}&amp;other={home('a').pk}" in reply.content.decode()


def test_why_not_of_an_incident_alone_is_about_the_nearest_incidents(
    page: Client, pattern: Any, post_event: Any
) -> None:
    pattern("cluster", "check")
    post_event(host="a", cluster="fra", check="cpu")
    post_event(host="b", cluster="ber", check="cpu")
    reply = page.get(f"/why-not?other={home('a').pk}")
    assert "Cluster is “ber” here and “fra” there." in said(reply)
    assert f"?alert={alert('b').pk}&amp;other={home('a').pk}" in reply.content.decode()


def test_incidents_that_share_a_tag_of_several_values_are_near(page: Client, pattern: Any, post_event: Any) -> None:
    pattern("cluster")
    for host, teams in (("a", ["shop", "web"]), ("b", ["mail"]), ("c", ["shop", "web"])):
        post_event(host=host, cluster=host, teams=teams)
    reply = page.get("/why-not", {"alert": alert("a").pk})
    assert [near.incident for near in reply.context["nearest"]] == [home("c"), home("b")]


def test_why_not_says_that_two_alerts_are_together(pattern: Any, post_event: Any, why_not: Any) -> None:
    pattern("cluster")
    post_event(host="a", cluster="fra")
    post_event(host="b", cluster="fra")
    assert "They are together" in why_not("a", "b", about_alert=True)


def test_an_alert_is_found_by_number_link_or_search(page: Client, post_event: Any) -> None:
    for host in ("a", "b", "bb"):
        post_event(host=host)
    target = home("a").pk
    for text in (
        str(alert("b").pk),
        f"http://testserver/alerts/{alert('b').pk}",
        "host = b",
        str(home("b").pk),
    ):
        assert "No pattern is there that could have led it" in said(
            page.get("/why-not", {"alert": text, "other": f"#{target}"})
        )
    several = page.get("/why-not", {"alert": "host = b*", "other": str(target)})
    assert "Which one?" in said(several)
    assert f"alert={alert('bb').pk}&amp;other={target}" in several.content.decode()
    assert "Expected a value" in said(page.get("/why-not", {"alert": "host =", "other": str(target)}))
    assert "There is no incident #999999." in said(page.get("/why-not", {"alert": "", "other": "999999"}))
    assert "Nothing is found by this." in said(page.get("/why-not", {"alert": "nowhere-to-be-found", "other": ""}))


def test_an_alert_and_an_incident_link_to_why_not(page: Client, post_event: Any) -> None:
    post_event(host="a")
    found = alert("a")
    for path in (
        f"/incidents/{found.incident_id}/alerts",
        f"/incidents/{found.incident_id}/why",
        f"/alerts/{found.pk}",
    ):
        assert f"/why-not?alert={found.pk}" in page.get(path).content.decode()
    why = page.get(f"/incidents/{found.incident_id}/why")
    assert "Why is an alert not here?" in said(why)
    assert f'href="/why-not?other={found.incident_id}"' in why.content.decode()


def test_the_api_gives_the_same_answers_as_json(
    page: Client, pattern: Any, post_event: Any, viewer: User, org_token: Any
) -> None:
    made = pattern("cluster", time_window=10)
    post_event(host="a", cluster="fra", timestamp=NOW)
    post_event(host="b", cluster="fra", timestamp=NOW + 11 * 60)
    asked = {"alert": str(alert("b").pk), "other": str(home("a").pk)}
    _, secret = ApiKey.issue(viewer, name="Script", expires_at=None)
    script = DescribedClient(headers={"Authorization": f"Bearer {secret}"})
    body = script.get("/resources/v2.0/why-not", asked).json()
    assert body == page.get("/why-not.json", asked).json()
    assert (body["together"], body["turned"]) == (False, False)
    verdict = body["patterns"][0]
    assert (verdict["verdict"], verdict["minutes_outside"], verdict["version"]) == ("outside_window", 1, made.version)
    assert verdict["tags"] == [{"name": "cluster", "alert": "fra", "incident": "fra"}]
    why = script.get(f"/resources/v2.0/alerts/{alert('b').pk}/why").json()
    assert why["reasons"][0]["verdict"] == "outside_window"
    for path, query in (("why-not", {}), ("why-not", {**asked, "other": "999999"}), ("alerts/1/why", {})):
        reply = script.get(f"/resources/v2.0/{path}", query)
        assert reply.status_code == 404
        assert reply.json()["response"]["errors"]
    assert Client().get("/resources/v2.0/why-not", asked).status_code == 401


def test_each_reason_names_the_pattern_in_its_version_and_links_to_it(
    page: Client, pattern: Any, post_event: Any, admin: User
) -> None:
    made = pattern("cluster", time_window=60)
    post_event(host="a", cluster="fra")
    post_event(host="b", cluster="fra")
    changes.edit(made, changes.read({"tags": ["cluster"], "time_window": 5}), by=admin)
    reply = page.get(f"/incidents/{Incident.objects.get().pk}/why")
    assert "It joined by the pattern “same cluster within 1 hour”." in said(reply)
    assert f'href="/patterns/{made.pk}#version-1"' in reply.content.decode()
