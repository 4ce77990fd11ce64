"""Tests of the pages of correlation patterns: who sees what, and what each button does."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from incidents.models import CorrelationPattern, Incident
from people.models import AuditEntry, User

FORM = {
    "tag": ["host"],
    "window": "60",
    "unit": "minutes",
    "filter": "",
    "cross_source": "on",
    "active": "on",
    "note": "",
}


@pytest.fixture
def page(client: Client, admin: User) -> Client:
    CorrelationPattern.objects.all().delete()
    client.force_login(admin)
    return client


def shown(reply: Any) -> str:
    return " ".join(unescape(reply.content.decode()).split())


def said(reply: Any) -> str:
    """Return the words of a page without its frame."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", reply.content.decode())).split())


def create(page: Client, **fields: Any) -> CorrelationPattern:
    reply = page.post("/patterns/new", {**FORM, **fields})
    assert reply.status_code == 302, shown(reply)
    return CorrelationPattern.objects.latest("pk")


def order() -> list[str]:
    return [each.tags[0] for each in CorrelationPattern.objects.present()]


def test_a_pattern_is_written_in_hours_with_its_sources_and_gathers_from_then_on(
    page: Client, app_key: Any, post_batch: Any
) -> None:
    pattern = create(
        page,
        tag=["team", "", "check"],
        window="72",
        unit="hours",
        sources=["api.nagios"],
        filter="host != db-*",
        note="One trouble",
    )
    assert (pattern.tags, pattern.time_window) == (["team", "check"], 4320)
    assert pattern.filter == 'source_system IN ["api.nagios"] AND host != db-*'
    assert "One trouble" in shown(page.get("/patterns"))
    post_batch(
        *({"status": "critical", "host": host, "team": "shop", "check": "cpu"} for host in ("web-1", "web-2", "db-1"))
    )
    assert sorted(Incident.objects.values_list("alerts_count", flat=True)) == [1, 2]
    assert "1 alert into 1" in shown(page.get("/patterns"))
    form = shown(page.get(f"/patterns/{pattern.pk}/edit"))
    assert 'value="api.nagios" checked' in form
    assert '>host != "db-*"</textarea>' in form


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tag": [""]}, "A pattern compares 1 to 5 tags."),
        ({"tag": ["a", "a"]}, "“a” is named twice."),
        ({"window": "0"}, "Must be a whole number of minutes from 1 to 4,320 (72 hours)."),
        ({"window": "73", "unit": "hours"}, "Must be a whole number of minutes"),
        ({"window": "soon"}, "Enter a whole number."),
        ({"filter": "host = a AND"}, "Expected a tag or keyword, but the query ends here."),
        ({"filter": "comment = a"}, "is about an incident as a whole"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_lost(
    page: Client, fields: dict[str, Any], message: str
) -> None:
    reply = page.post("/patterns/new", {**FORM, "note": "Kept", **fields})
    assert message in shown(reply)
    assert ">Kept</textarea>" in shown(reply)
    assert not CorrelationPattern.objects.exists()


def test_the_place_where_a_filter_breaks_is_marked(page: Client) -> None:
    reply = page.get("/patterns/preview", {**FORM, "filter": "host = [a"}, headers={"HX-Request": "true"})
    before_the_first_swap = reply.content.decode().partition("hx-swap-oob")[0]
    assert 'id="filter-error"' in before_the_first_swap
    text = shown(reply)
    assert "<span>host = </span><mark>[</mark><span>a</span>" in text


def test_while_it_is_written_a_pattern_is_counted_over_the_latest_alerts(page: Client, post_batch: Any) -> None:
    post_batch(
        *({"status": "critical", "host": f"web-{n % 2}", "check": f"c{n}"} for n in range(5)),
        {"status": "critical", "service": "shop"},
    )
    text = said(page.get("/patterns/preview", {**FORM, "filter": "check != c0"}))
    assert "Of the latest 6 alerts" in text
    assert "Pass the filter 5" in text
    assert "Have the tag 4" in text
    assert "web-0, 2 times" in text or "web-1, 2 times" in text
    assert not CorrelationPattern.objects.exists()


def test_tags_are_suggested_from_those_that_were_sent_with_their_values(page: Client, post_batch: Any) -> None:
    post_batch(
        *({"status": "critical", "host": f"web-{n}", "cluster": "fra"} for n in range(3)),
        {"status": "critical", "host": "x"},
    )
    text = shown(page.get("/patterns/new"))
    assert text.index('<option value="host">100 % of alerts') < text.index(
        '<option value="cluster">75 % of alerts: fra</option>'
    )


def test_each_edit_is_a_version_with_who_when_and_what(page: Client) -> None:
    pattern = create(page)
    page.post(
        f"/patterns/{pattern.pk}/edit",
        {**FORM, "seen": pattern.as_of, "window": "2", "unit": "hours", "filter": "host != a"},
    )
    pattern.refresh_from_db()
    assert pattern.version == 2
    text = said(page.get(f"/patterns/{pattern.pk}"))
    assert "Edited version 2" in text
    assert "by ada" in text
    assert "Window, minutes 60 → 120" in text
    assert "Filter none → host != a" in text
    entry = AuditEntry.objects.get(change="changed")
    assert {each["propertyPath"]: each["newValue"] for each in entry.changes} == {
        "time_window": 120,
        "filter": "host != a",
    }


def test_a_note_alone_leaves_the_version_and_open_incidents_go_on_gathering(page: Client, post_event: Any) -> None:
    pattern = create(page)
    post_event(check="a")
    page.post(f"/patterns/{pattern.pk}/edit", {**FORM, "seen": pattern.as_of, "note": "Why"})
    post_event(check="b")
    assert Incident.objects.get().alerts_count == 2
    page.post(f"/patterns/{pattern.pk}/edit", {**FORM, "note": "Why", "window": "90"})
    post_event(check="c")
    assert Incident.objects.count() == 2


def test_who_edits_what_somebody_else_has_changed_is_told_and_keeps_their_text(page: Client) -> None:
    pattern = create(page)
    seen = pattern.as_of
    page.post(f"/patterns/{pattern.pk}/edit", {**FORM, "seen": seen, "window": "5"})
    late = page.post(f"/patterns/{pattern.pk}/edit", {**FORM, "seen": seen, "window": "7"})
    assert "ada has changed this pattern meanwhile" in shown(late)
    assert 'value="7"' in shown(late)
    pattern.refresh_from_db()
    assert pattern.time_window == 5


def test_the_order_is_changed_by_buttons_and_reset(page: Client) -> None:
    pks = {name: create(page, tag=[name], window=window).pk for name, window in (("a", "30"), ("b", "60"), ("c", "90"))}
    assert order() == ["c", "b", "a"]
    page.post(f"/patterns/{pks['a']}/move", {"to": "earlier"})
    assert order() == ["c", "a", "b"]
    page.post(f"/patterns/{pks['c']}/move", {"to": "later"})
    assert order() == ["a", "c", "b"]
    page.post(f"/patterns/{pks['a']}/move", {"to": "earlier"})
    assert order() == ["a", "c", "b"]
    assert "The order was set by hand." in shown(page.get("/patterns"))
    page.post("/patterns/order/reset")
    assert order() == ["c", "b", "a"]
    assert AuditEntry.objects.filter(change="reordered").count() == 3


def test_a_pattern_is_switched_off_and_on(page: Client, post_event: Any) -> None:
    pattern = create(page)
    page.post(f"/patterns/{pattern.pk}/deactivate")
    post_event(check="a")
    post_event(check="b")
    assert Incident.objects.count() == 2
    page.post(f"/patterns/{pattern.pk}/activate", {"next": "list"})
    pattern.refresh_from_db()
    assert pattern.active
    assert [line.change for line in pattern.versions.all()] == ["activated", "deactivated", "created"]


def test_switched_off_and_on_again_it_gathers_into_the_incidents_that_are_open(page: Client, post_event: Any) -> None:
    pattern = create(page)
    post_event(check="a")
    page.post(f"/patterns/{pattern.pk}/deactivate")
    page.post(f"/patterns/{pattern.pk}/activate")
    post_event(check="b")
    assert Incident.objects.get().alerts_count == 2
    assert page.get(f"/patterns/{pattern.pk}").content.decode().count('id="version-1"') == 1


def test_who_edits_what_somebody_else_has_switched_off_does_not_switch_it_on(page: Client) -> None:
    pattern = create(page)
    seen = pattern.as_of
    page.post(f"/patterns/{pattern.pk}/deactivate")
    late = page.post(f"/patterns/{pattern.pk}/edit", {**FORM, "seen": seen, "note": "Why"})
    assert "ada has changed this pattern meanwhile" in shown(late)
    pattern.refresh_from_db()
    assert not pattern.active


def test_a_deleted_pattern_is_asked_no_more_and_can_be_restored(page: Client, post_event: Any) -> None:
    pattern = create(page)
    post_event(check="a")
    assert "You can restore it" in shown(page.get(f"/patterns/{pattern.pk}/delete"))
    page.post(f"/patterns/{pattern.pk}/delete")
    post_event(check="b")
    assert Incident.objects.count() == 2
    assert "Deleted, 1" in shown(page.get("/patterns"))
    assert page.get(f"/patterns/{pattern.pk}/edit").status_code == 404
    page.post(f"/patterns/{pattern.pk}/restore")
    post_event(check="c")
    assert Incident.objects.count() == 2
    assert [each.changes[0]["propertyPath"] for each in AuditEntry.objects.filter(change="deleted")] == ["active"]


def test_a_file_is_exported_shown_beforehand_and_brought_in_as_a_whole(page: Client) -> None:
    pattern = create(page, note="Old")
    exported = page.get("/patterns/export.json")
    assert "attachment" in exported.headers["Content-Disposition"]
    rows = [{**exported.json()[0], "note": "New"}, {"tags": ["b"], "time_window": 5}]
    preview = page.post("/patterns/import", {"text": json.dumps(rows)})
    assert "Changed Note Old → New" in said(preview)
    assert "same b within 5 minutes New" in said(preview).replace("Same", "same")
    assert CorrelationPattern.objects.count() == 1
    page.post("/patterns/import", {"text": json.dumps(rows), "confirm": "1"})
    pattern.refresh_from_db()
    assert (pattern.note, CorrelationPattern.objects.count()) == ("New", 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "This is not JSON"),
        ("{}", "Expected a list of patterns"),
        ("[]", "Expected 1 to 500 patterns."),
        (
            '[{"tags": ["a"], "time_window": 5}, {"tags": ["a"], "time_window": 0}]',
            "<code>[1]</code> time_window: must be",
        ),
        (
            '[{"tags": ["a"], "time_window": 5, "filter": "host ="}]',
            "<code>[0]</code> filter: Expected a value, but the query ends here. (at character 7)",
        ),
    ],
)
def test_a_file_with_anything_wrong_changes_nothing(page: Client, text: str, message: str) -> None:
    reply = page.post("/patterns/import", {"text": text, "confirm": "1"})
    assert message in shown(reply)
    assert not CorrelationPattern.objects.exists()


def test_who_may_only_look_sees_no_button_and_is_refused(page: Client, viewer: User) -> None:
    pattern = create(page)
    page.force_login(viewer)
    for path in ("/patterns", f"/patterns/{pattern.pk}"):
        text = shown(page.get(path))
        assert "host" in text
        assert "/edit" not in text
    for path in ("new", f"{pattern.pk}/edit", "import", f"{pattern.pk}/delete"):
        assert page.get(f"/patterns/{path}").status_code == 403
    assert page.post(f"/patterns/{pattern.pk}/move", {"to": "later"}).status_code == 403


def test_without_patterns_the_page_says_what_one_is(page: Client) -> None:
    assert "Without patterns each alert is an incident of its own." in shown(page.get("/patterns"))


def test_texts_from_outside_stay_texts(page: Client, post_event: Any) -> None:
    post_event(**{"<b>tag</b>": "<script>"})
    pattern = create(page, tag=["<i>x</i>"], note="<script>alert(1)</script>")
    for path in ("/patterns", f"/patterns/{pattern.pk}", f"/patterns/{pattern.pk}/edit"):
        raw = page.get(path).content.decode()
        assert "<script>alert" not in raw
        assert "<i>x</i>" not in raw
        assert "<b>tag" not in raw


def test_a_new_console_has_a_first_set_of_patterns_each_explained(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    text = said(client.get("/patterns"))
    for rule in ("host", "cluster and check", "device", "application", "service"):
        assert rule in text
    assert all(pattern.note and pattern.versions.exists() for pattern in CorrelationPattern.objects.all())


def test_an_administrator_finds_the_incident_tags_beside_the_patterns(
    client: Client, admin: User, responder: User
) -> None:
    client.force_login(admin)
    assert 'href="/tags"' in client.get("/patterns").content.decode()
    assert 'href="/patterns"' in client.get("/tags").content.decode()
    client.force_login(responder)
    assert 'href="/tags"' not in client.get("/patterns").content.decode()
