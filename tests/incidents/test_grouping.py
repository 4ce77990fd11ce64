"""Grouping by hand: correlation leaves it alone, undo restores it, and old addresses lead on."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from alerts.models import Alert
from appkeys.models import AppKey
from incidents import actions
from incidents.actions import InvalidTransition
from incidents.models import Activity, BulkAction, Incident
from people.models import User
from tests.conftest import PostEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def acting(client: Client, responder: User) -> Client:
    client.force_login(responder)
    return client


@pytest.fixture
def pair(post_event: PostEvent) -> tuple[Incident, Incident]:
    """Return an incident with two alerts of db-1, and one with three alerts of web-1."""
    for host, check in (("db-1", "cpu"), ("db-1", "disk"), ("web-1", "cpu"), ("web-1", "http"), ("web-1", "tls")):
        post_event(host=host, check=check, rack="r1" if check == "cpu" else "r2")
    return Incident.objects.get(title="db-1"), Incident.objects.get(title="web-1")


def alerts_of(incident: Incident) -> list[str]:
    return sorted(Alert.objects.filter(incident=incident).values_list("tags__check", flat=True))


def test_merged_the_alerts_are_in_one_incident_and_the_other_link_leads_there(
    acting: Client, pair: tuple[Incident, Incident]
) -> None:
    into, other = pair
    acting.post(f"/incidents/{into.pk}/merge", {"numbers": f"#{other.pk}", "comment": "one switch"})
    into.refresh_from_db()
    assert into.alerts_count == 5
    assert alerts_of(into) == ["cpu", "cpu", "disk", "http", "tls"]
    assert acting.get(f"/incidents/{other.pk}").headers["Location"] == f"/incidents/{into.pk}"
    history = acting.get(f"/incidents/{other.pk}/activity").content.decode()
    assert f'merged this incident into <a href="/incidents/{into.pk}">#{into.pk} db-1</a>' in history
    assert [row.pk for row in acting.get("/").context["page"].rows] == [into.pk]
    assert not acting.get("/?folder=resolved").context["page"].rows


def test_alerts_chosen_in_the_table_are_those_that_the_question_is_about(
    acting: Client, pair: tuple[Incident, Incident]
) -> None:
    _, incident = pair
    table = acting.get(f"/incidents/{incident.pk}/alerts").content.decode()
    chosen = list(incident.alerts.order_by("pk")[:2])
    assert all(f'value="{alert.pk}"' in table for alert in chosen)
    named = [*(str(alert.pk) for alert in chosen), "x", "9" * 30]
    asked = acting.post(f"/incidents/{incident.pk}/split", {"alerts": named})
    assert asked.context["picked"] == {alert.pk for alert in chosen}
    assert asked.content.decode().count("checked") == 3  # the two alerts, and what to take out


@pytest.fixture
def storm(send: Any) -> Incident:
    """Return an incident of 1,200 alerts with 120 values of the tag shelf and six of the tag room.

    Some alerts have no room.
    """
    _, app_key = AppKey.issue(name="SAN")
    alerts = [
        {"status": "critical", "host": "san-1", "check": f"Volume {number}", "shelf": f"s{number % 120}"}
        | ({"room": f"r{number % 6}"} if number < 1000 else {})
        for number in range(1200)
    ]
    send({"app_key": app_key, "alerts": alerts})
    return Incident.objects.get()


@pytest.fixture
def room_for_all(settings: Any) -> None:
    settings.ALERTS_PER_INCIDENT = 5000


def test_an_alert_of_thousands_is_found_by_a_search_and_taken_out(
    acting: Client, room_for_all: None, storm: Incident
) -> None:
    path = f"/incidents/{storm.pk}/split"
    assert "1,100 more: the search finds them." in acting.get(path).content.decode()
    first = Alert.objects.get(tags__check="Volume 1199")
    asked = acting.post(path, {"find": "check = 'Volume 7'", "how": "new", "alerts": [first.pk], "all": "1"})
    wanted = Alert.objects.get(tags__check="Volume 7")
    assert [alert.pk for alert in asked.context["alerts"]] == [first.pk, wanted.pk]  # the picked alert stays
    assert asked.content.decode().count("checked") == 2  # the picked alert, and what to take out
    assert "Expected a value" in acting.post(path, {"find": "check ="}).content.decode()
    acting.post(path, {"how": "new", "alerts": [first.pk, wanted.pk]})
    assert Incident.objects.get(alerts=wanted).alerts_count == 2
    acting.post("/undo")
    assert Incident.objects.get(pk=storm.pk).alerts_count == 1200


def test_all_that_a_search_finds_are_taken_out(acting: Client, room_for_all: None, storm: Incident) -> None:
    path = f"/incidents/{storm.pk}"
    table = acting.get(f"{path}/alerts?alert-q=room+%3D+r3").content.decode()
    assert f"{path}/split?alert-q=room+%3D+r3&amp;all=1" in table
    asked = acting.get(f"{path}/split?alert-q=room+%3D+r3&all=1").content.decode()
    assert "All 167 found" in asked
    acting.post(f"{path}/split", {"how": "new", "alert-q": "room = r3", "all": "1"})
    assert Incident.objects.get(pk=storm.pk).alerts_count == 1033
    assert Alert.objects.filter(tags__room="r3").values("incident").distinct().count() == 1


def test_more_than_a_thousand_chosen_are_taken_out(acting: Client, room_for_all: None, storm: Incident) -> None:
    chosen = list(storm.alerts.values_list("pk", flat=True)[:1150])
    acting.post(f"/incidents/{storm.pk}/split", {"how": "new", "alerts": chosen})
    assert Incident.objects.get(pk=storm.pk).alerts_count == 50


def test_tags_are_offered_that_a_split_can_go_by(acting: Client, room_for_all: None, storm: Incident) -> None:
    offered = dict(acting.get(f"/incidents/{storm.pk}/split").context["form"].fields["tag"].choices)
    assert offered == {"room": "room: 6 values, and alerts without it"}
    acting.post(f"/incidents/{storm.pk}/split", {"how": "tag", "tag": "room"})
    assert Incident.objects.get(pk=storm.pk).alerts_count == 200
    assert Incident.objects.filter(title="r3").get().alerts_count == 167


def test_what_is_large_is_done_in_the_background_and_says_what_it_did(
    acting: Client, pair: tuple[Incident, Incident], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("incidents.views.grouping.LARGE", 2)
    db, web = pair
    tls, cpu = (Alert.objects.get(incident=web, tags__check=check) for check in ("tls", "cpu"))
    for fields, told in (
        ({"how": "new", "alerts": [tls.pk]}, "Split 1 alert off"),
        ({"how": "other", "to": str(db.pk), "alerts": [cpu.pk]}, f"Move 1 alert to #{db.pk}"),
        ({"how": "tag", "tag": "rack"}, "Split an incident by rack"),
    ):
        acting.post(f"/incidents/{web.pk}/split", fields)
        bulk = BulkAction.objects.latest("pk")
        assert f"{told}</a>: done" in acting.get("/").content.decode()
        assert f"<h1>{told}</h1>" in acting.get(f"/bulk/{bulk.pk}").content.decode()
        assert alerts_of(web) != ["cpu", "http", "tls"]
        assert "at once" not in acting.get(f"/incidents/{web.pk}/activity").content.decode()
        acting.post(f"/bulk/{bulk.pk}/undo")
        assert alerts_of(web) == ["cpu", "http", "tls"]
    acting.post(f"/incidents/{db.pk}/merge", {"numbers": str(web.pk)})
    assert f"Merge 1 incident into #{db.pk}</a>: done" in acting.get("/").content.decode()
    assert alerts_of(web) == []


def test_what_is_large_and_cannot_be_done_says_why(
    acting: Client, pair: tuple[Incident, Incident], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("incidents.views.grouping.LARGE", 2)
    _, web = pair
    acting.post(f"/incidents/{web.pk}/split", {"how": "new", "alerts": list(web.alerts.values_list("pk", flat=True))})
    assert "Split 3 alerts off</a>: not done, its page says why" in acting.get("/").content.decode()
    page = acting.get(f"/bulk/{BulkAction.objects.get().pk}").content.decode()
    assert "These are all of its alerts: leave at least one" in page


def test_who_may_only_look_chooses_no_alerts(client: Client, viewer: User, pair: tuple[Incident, Incident]) -> None:
    client.force_login(viewer)
    assert "split-chosen" not in client.get(f"/incidents/{pair[1].pk}/alerts").content.decode()


def test_further_alerts_of_either_come_to_the_merged_incident_and_stay_there(
    pair: tuple[Incident, Incident], responder: User, post_event: PostEvent
) -> None:
    into, other = pair
    actions.merge(into, [other], by=responder)
    for host in ("db-1", "web-1", "db-1"):
        post_event(host=host, check=f"late {host}")
    post_event(host="web-1", check="tls", status="ok")
    post_event(host="web-1", check="tls")
    assert Incident.objects.open().get() == into
    assert Incident.objects.get(pk=into.pk).alerts_count == 7


def test_a_merge_undone_leaves_two_incidents_with_their_links_and_their_alerts(
    acting: Client, pair: tuple[Incident, Incident], responder: User, post_event: PostEvent
) -> None:
    into, other = pair
    activity = actions.merge(into, [other], by=responder)
    # Either side offers the undo.
    part = other.activities.get(kind="incident_merged_source")
    acting.post(f"/incidents/{other.pk}/undo", {"activity": part.pk})
    assert alerts_of(into) == ["cpu", "disk"]
    assert alerts_of(other) == ["cpu", "http", "tls"]
    assert acting.get(f"/incidents/{other.pk}").status_code == 200
    post_event(host="web-1", check="dns")
    assert alerts_of(other) == ["cpu", "dns", "http", "tls"]
    with pytest.raises(InvalidTransition, match="undone already"):
        actions.undo(activity, by=responder)


def test_a_merge_above_the_limit_is_refused_and_names_it(
    acting: Client, pair: tuple[Incident, Incident], settings: Any
) -> None:
    settings.ALERTS_PER_INCIDENT = 4
    into, other = pair
    reply = acting.post(f"/incidents/{into.pk}/merge", {"numbers": str(other.pk)}, follow=True)
    assert "Together they have 5 alerts; an incident can have 4" in reply.content.decode()
    assert alerts_of(other) == ["cpu", "http", "tls"]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ("", "Choose at least one other incident"),
        ("99999", "There is no incident #99999 that you may act on."),
        ("db-1", "Write up to 100 numbers"),
        ("9" * 30, "There is no incident"),
    ],
)
def test_what_cannot_be_merged_is_told_at_the_field(
    acting: Client, pair: tuple[Incident, Incident], numbers: str, said: str
) -> None:
    reply = acting.post(f"/incidents/{pair[0].pk}/merge", {"numbers": numbers})
    assert said in reply.content.decode()


def test_selected_incidents_are_merged_into_the_one_that_is_chosen(
    acting: Client, pair: tuple[Incident, Incident]
) -> None:
    chosen = [each.pk for each in pair]
    asked = acting.post("/bulk", {"what": "merge", "incident": chosen}).content.decode()
    assert "Merge 2 incidents into one" in asked
    acting.post("/merge", {"incident": chosen, "into": chosen[1]})
    assert alerts_of(pair[1]) == ["cpu", "cpu", "disk", "http", "tls"]


def test_chosen_alerts_become_an_incident_of_their_own(acting: Client, pair: tuple[Incident, Incident]) -> None:
    _, web = pair
    tls = Alert.objects.get(tags__check="tls")
    acting.post(f"/incidents/{web.pk}/split", {"how": "new", "alerts": [tls.pk]})
    assert alerts_of(web) == ["cpu", "http"]
    new = Incident.objects.get(alerts=tls)
    assert (new.title, new.subtitle, new.alerts_count) == ("web-1", "tls", 1)
    assert f"#{web.pk} web-1" in acting.get(f"/incidents/{new.pk}/activity").content.decode()


def test_a_split_undone_leaves_the_new_link_leading_to_the_old_incident(
    acting: Client, pair: tuple[Incident, Incident], responder: User
) -> None:
    _, web = pair
    activity = actions.split(web, [Alert.objects.get(tags__check="tls").pk], by=responder)
    new = activity.details["incidents"][0]["incident"]
    acting.post("/undo")
    assert alerts_of(web) == ["cpu", "http", "tls"]
    assert acting.get(f"/incidents/{new}").headers["Location"] == f"/incidents/{web.pk}"


def test_one_incident_per_value_of_a_tag_where_the_most_common_one_stays(
    acting: Client, pair: tuple[Incident, Incident]
) -> None:
    _, web = pair
    acting.post(f"/incidents/{web.pk}/split", {"how": "tag", "tag": "rack"})
    assert alerts_of(web) == ["http", "tls"]
    assert Activity.objects.get(kind=Activity.Kind.SPLIT_OFF).incident.alerts_count == 1


def test_an_alert_is_moved_to_another_incident_and_back(acting: Client, pair: tuple[Incident, Incident]) -> None:
    db, web = pair
    cpu = Alert.objects.get(incident=web, tags__check="cpu")
    acting.post(f"/incidents/{web.pk}/split", {"how": "other", "to": str(db.pk), "alerts": [cpu.pk]})
    assert alerts_of(db) == ["cpu", "cpu", "disk"]
    shown = acting.get(f"/incidents/{db.pk}/activity").content.decode()
    assert "moved 1 alert here from" in shown
    acting.post("/undo")
    assert alerts_of(web) == ["cpu", "http", "tls"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"how": "new"}, "Choose at least one alert."),
        ({"how": "new", "alerts": "all"}, "leave at least one"),
        ({"how": "other", "alerts": "one"}, "Write the number of one incident."),
        ({"how": "tag", "tag": "host"}, "Choose one of these tags."),
    ],
)
def test_what_cannot_be_taken_out_is_told(
    acting: Client, pair: tuple[Incident, Incident], fields: dict[str, object], said: str
) -> None:
    _, web = pair
    alerts = list(Alert.objects.filter(incident=web).values_list("pk", flat=True))
    chosen = {"all": alerts, "one": alerts[:1]}.get(str(fields.get("alerts")), [])
    reply = acting.post(f"/incidents/{web.pk}/split", {**fields, "alerts": chosen}, follow=True)
    assert said in reply.content.decode()
    assert alerts_of(web) == ["cpu", "http", "tls"]


def test_what_is_resolved_takes_part_in_nothing(pair: tuple[Incident, Incident], responder: User) -> None:
    db, web = pair
    actions.resolve(db, by=responder)
    with pytest.raises(InvalidTransition, match="is resolved"):
        actions.merge(web, [db], by=responder)


def test_who_merged_on_must_undo_that_first(
    pair: tuple[Incident, Incident], responder: User, post_event: PostEvent
) -> None:
    db, web = pair
    post_event(host="mail-1", check="queue")
    mail = Incident.objects.get(title="mail-1")
    first = actions.merge(db, [web], by=responder)
    second = actions.merge(mail, [db], by=responder)
    with pytest.raises(InvalidTransition, match="undo that first"):
        actions.undo(first, by=responder)
    actions.undo(second, by=responder)
    actions.undo(first, by=responder)
    assert alerts_of(web) == ["cpu", "http", "tls"]


def test_merged_away_it_is_acted_on_only_where_its_alerts_are(pair: tuple[Incident, Incident], responder: User) -> None:
    into, other = pair
    actions.merge(into, [other], by=responder)
    with pytest.raises(InvalidTransition, match=f"merged into #{into.pk}: act there"):
        actions.resolve(other, by=responder)


def test_a_split_cannot_be_undone_once_further_alerts_are_in_the_new_incident(
    acting: Client, pair: tuple[Incident, Incident], responder: User
) -> None:
    _, web = pair
    tls, cpu = (Alert.objects.get(incident=web, tags__check=check) for check in ("tls", "cpu"))
    split = actions.split(web, [tls.pk], by=responder)
    new = Incident.objects.get(alerts=tls)
    actions.move(web, [cpu.pk], to=new, by=responder)
    refused = acting.post(f"/incidents/{web.pk}/undo", {"activity": split.pk}, follow=True)
    assert f"Alerts have come to #{new.pk} since" in refused.content.decode()
    assert (alerts_of(web), alerts_of(new)) == (["http"], ["cpu", "tls"])
