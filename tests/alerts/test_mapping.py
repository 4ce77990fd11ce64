"""The generic mapper: configuration objects, their versions, and their API (docs/wire-contract.md §9.2)."""

from __future__ import annotations

import html
import json
import re
from copy import deepcopy
from typing import Any

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.events import EventRejected, Status
from alerts.models import Alert
from alerts.sources import oim
from alerts.sources.oim import BadConfig
from people.models import User
from tests.alerts.test_api import assert_error
from tests.alerts.test_sources import EXAMPLES, values
from tests.conftest import Send
from tests.described import DescribedClient

SAMPLE: dict[str, Any] = {
    "site": "frankfurt",
    "events": [
        {"unit": {"name": "ups-1", "Rack": "r7"}, "level": "CRIT", "old": "fine", "what": "On battery", "at": 1716200000, "phases": ["L1", "L2"]},
        {"unit": {"name": "ups-2"}, "level": "warning", "what": "Battery old", "at": 1716200001},
    ],
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "version": "2.0",
    "is_array": True,
    "array_source": "events",
    "map_remaining": True,
    "map_remaining_flatten_arrays": False,
    "force_lowercase": True,
    "primary_property": [{"name": "host"}],
    "secondary_property": [{"name": "@alert.what"}],
    "incident_identifier": ["host", "check_id"],
    "additional_attributes": [
        {"name": "host", "source": ["@alert.device", "@alert.unit.name"]},
        {"name": "site", "source": ["site"]},
    ],
    "status": {"source": ["@alert.level"], "status_map": {"critical": ["crit"], "ok": ["cleared"]}, "default_to": "warning"},
    "timestamp": {"source": ["@alert.at"]},
}  # fmt: skip


FLAT = {"additional_attributes": [{"name": "host", "source": ["@alert.unit"], "flatten": True}]}


def changed(**changes: Any) -> dict[str, Any]:
    return deepcopy(CONFIG) | changes


def test_each_item_of_the_array_becomes_an_alert() -> None:
    first, second = oim.normalize(CONFIG, SAMPLE)
    assert first == {
        "status": "critical",
        "primary_property": "host",
        "secondary_property": "what",
        "incident_identifier": "ups-1",
        "timestamp": 1716200000,
        "host": "ups-1",
        "site": "frankfurt",
        "what": "On battery",
        "old": "fine",
        "unit_rack": "r7",
        "phases": ["L1", "L2"],
    }
    assert (second["status"], second["host"]) == ("warning", "ups-2")


@pytest.mark.parametrize(
    ("changes", "tag", "value"),
    [
        ({"map_remaining": False}, "old", None),
        ({"force_lowercase": False}, "unit_Rack", "r7"),
        ({"map_remaining_flatten_arrays": True}, "phases_1", "L2"),
        ({"bp_timestamp": {"is_selected": True}}, "timestamp", None),
        (FLAT | {"primary_property": [{"name": "host_name"}]}, "host_name", "ups-1"),
        ({"additional_attributes": [{"name": "host", "source": ["@alert.unit"]}]}, "host", '{"name": "ups-1", "Rack": "r7"}'),
        ({"primary_property": [{"name": "gone"}, {"name": "@alert.unit.name"}]}, "name", "ups-1"),
        ({"incident_identifier": ["@alert.what", "site"]}, "incident_identifier", "On battery frankfurt"),
        ({"status": {"source": ["@alert.old", "@alert.level"], "status_map": {"critical": ["crit"]}}}, "status", "critical"),
        ({"status": {"source": ["@alert.old"], "status_map": {}}}, "status", "critical"),
        ({"status": {"source": ["@alert.old"], "status_map": {"ok": ["FINE"]}, "default_to": "unknown"}}, "status", "ok"),
    ],
)  # fmt: skip
def test_each_setting_has_its_effect(changes: dict[str, Any], tag: str, value: object) -> None:
    assert oim.normalize(changed(**changes), SAMPLE)[0].get(tag) == value


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"is_array": "yes"}, "config.is_array"),
        ({"array_source": "nothing"}, "config.array_source"),
        ({"array_source": 7}, "config.array_source"),
        ({"primary_property": [{"name": ""}]}, "config.primary_property"),
        ({"primary_property": []}, "config.primary_property"),
        ({"primary_property": [{"name": "@alert.gone"}]}, "@alert.gone"),
        ({"additional_attributes": [{"name": "host", "source": ["@alert.gone"]}]}, "@alert.gone"),
        ({"additional_attributes": [{"name": "host"}]}, "config.additional_attributes.host.source"),
        ({"additional_attributes": ["host"]}, "config.additional_attributes"),
        ({"status": None}, "config.status"),
        ({"status": {"source": []}}, "config.status.source"),
        ({"status": {"source": ["site"], "status_map": {"fatal": ["x"]}}}, "config.status"),
        ({"status": {"source": ["site"], "status_map": {"ok": "x"}}}, "config.status.status_map"),
        ({"status": {"source": ["site"], "default_to": "fatal"}}, "config.status"),
        ({"timestamp": ["at"]}, "config.timestamp"),
        ({"incident_identifier": [7]}, "config.incident_identifier"),
        ({"preprocessing": [{"x": 1}]}, "config.preprocessing"),
    ],
)
def test_a_configuration_that_cannot_be_used_names_the_field(changes: dict[str, Any], field: str) -> None:
    config = changed(additional_attributes=[{"name": "host", "source": ["@alert.unit.name"]}])
    with pytest.raises(BadConfig) as refused:
        oim.check(config | changes, SAMPLE)
    assert refused.value.field == field


@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(values, values)
def test_no_payload_makes_a_mapping_raise_anything_but_its_declared_error(payload: Any, item: Any) -> None:
    for sent in (payload, {"events": [item]}, {"events": [{"unit": item, "level": item, "at": item}]}):
        try:
            oim.normalize(CONFIG, sent)
        except EventRejected as error:
            assert error.field == "events"  # noqa: PT017


@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(st.sampled_from(sorted(CONFIG)), values)
def test_no_configuration_makes_its_check_raise_anything_but_its_declared_error(name: str, value: Any) -> None:
    try:
        oim.normalize(oim.check(changed(**{name: value}), SAMPLE), SAMPLE)
    except BadConfig as error:
        assert error.rule  # noqa: PT017


# --- API

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
GOOD = changed(
    additional_attributes=[{"name": "host", "source": ["@alert.unit.name"]}, {"name": "site", "source": ["site"]}]
)


@pytest.fixture
def api(org_token: Any, app_key: Any) -> Any:
    client = DescribedClient(headers={"Authorization": f"Bearer {org_token.secret}"})

    def ask(method: str, path: str = "", body: Any = None) -> Any:
        url = f"/configurations/alerts/oim/{app_key.secret}{path}"
        return client.generic(
            method, url, json.dumps(body) if body is not None else "", content_type="application/json"
        )

    return ask


def test_the_mapping_of_an_app_key_applies_to_every_route_but_that_of_the_alerts_api(
    api: Any, send: Send, app_key: Any
) -> None:
    assert_error(send(SAMPLE, path=f"/oim/custom/alerts?app_key={app_key.secret}"), 400, "mapping")
    assert api("POST", body={"config": GOOD, "sample_payload": SAMPLE}).status_code == 200
    for path in ("/oim/custom/alerts", "/oim/api/alerts", "/oim/nagios/alerts", "/data/integrations/toaster"):
        assert send(SAMPLE, path=f"{path}?app_key={app_key.secret}").status_code in (201, 204)
    assert sorted(Alert.objects.values_list("identifier", flat=True)) == ["ups-1", "ups-2"]
    plain = {"status": "ok", "host": "web-1", "app_key": app_key.secret}
    assert send(plain).status_code == 201, "the route of the Alerts API ignores the mapping"
    assert_error(send(plain, path="/oim/api/alerts"), 400, "events", "array")


def test_cleared_ends_the_alert_that_crit_began(api: Any, send: Send, app_key: Any) -> None:
    api("POST", body={"config": GOOD, "sample_payload": SAMPLE})
    path = f"/oim/custom/alerts?app_key={app_key.secret}"
    send(SAMPLE, path=path)
    over = deepcopy(SAMPLE)
    over["events"][0] |= {"level": "Cleared", "at": 1716200100}
    send(over, path=path)
    assert Alert.objects.get(identifier="ups-1").status == Status.OK


def test_a_filter_leaves_out_alerts_that_do_not_match(api: Any, send: Send, app_key: Any) -> None:
    assert_error(
        api("POST", body={"config": GOOD | {"event_filter": "host ="}, "sample_payload": SAMPLE}), 400, "event_filter"
    )
    api("POST", body={"config": GOOD | {"event_filter": "host = ups-2"}, "sample_payload": SAMPLE})
    assert send(SAMPLE, path=f"/oim/custom/alerts?app_key={app_key.secret}").status_code == 201
    assert Alert.objects.get().primary_value == "ups-2"


def test_versions_are_kept_compared_and_restored(api: Any) -> None:
    assert api("GET").status_code == 404
    api("POST", body={"config": GOOD, "sample_payload": SAMPLE})
    api("POST", body={"config": GOOD | {"force_lowercase": False}, "sample_payload": SAMPLE})
    assert api("GET").json()["version"] == 2
    assert [each["version"] for each in api("GET", "/versions").json()] == [2, 1]
    assert api("GET", "/versions/1").json()["config"]["force_lowercase"] is True
    lines = api("GET", "/versions/2/diff").json()["lines"]
    assert '-  "force_lowercase": true,' in lines
    assert '+  "force_lowercase": false,' in lines
    restored = api("POST", "/versions/1/restore").json()
    assert (restored["version"], restored["is_current"], restored["note"]) == (3, True, "Version 1 restored")
    assert api("GET").json()["config"]["force_lowercase"] is True
    assert api("DELETE").status_code == 204
    assert api("GET").status_code == 404
    for path in ("/versions/9", "/versions/1/diff?with=9"):
        assert_error(api("GET", path), 404, "version")
    assert_error(api("GET", "/versions/1/diff?with=x"), 400, "with")


def test_the_api_names_the_field_of_an_unusable_configuration(api: Any) -> None:
    assert_error(api("POST", body={"config": GOOD}), 400, "sample_payload")
    assert_error(
        api("POST", body={"config": GOOD | {"status": {}}, "sample_payload": SAMPLE}), 400, "config.status.source"
    )
    assert_error(Client().get("/configurations/alerts/oim/x"), 401)
    assert_error(api("PUT"), 501)


def test_the_audit_log_names_the_org_token_that_changed_the_mapping_and_its_address(
    api: Any, org_token: Any, client: Client, admin: User
) -> None:
    api("POST", body={"config": GOOD, "sample_payload": SAMPLE})
    api("DELETE")
    client.force_login(admin)
    shown = client.get("/audit?what=App+Key&changeType=changed").content.decode()
    assert shown.count(f"Org token Test senders (id {org_token.pk}, ends in {org_token.suffix})") >= 2
    assert shown.count("from 127.0.0.1") == 2
    assert org_token.secret not in shown


# --- in the browser


@pytest.fixture
def admin_client(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


def fields(page: str) -> dict[str, str]:
    """Return the data that a browser would send of the form of the mapping on the page."""
    form = re.search(r'<form class="mapper".*?</form>', page, re.DOTALL)
    assert form
    values_by_name = {
        name: html.unescape(value)
        for name, value in re.findall(r'<input id="id_\w+"\s+name="(\w+)".*?value="(.*?)"', form[0], re.DOTALL)
    }
    values_by_name |= {
        name: html.unescape(text)
        for name, text in re.findall(r'<textarea id="id_\w+"\s+name="(\w+)".*?>(.*?)</textarea>', form[0], re.DOTALL)
    }
    values_by_name |= dict.fromkeys(re.findall(r'type="checkbox"\s+name="(\w+)"\s+checked', form[0]), "on")
    return values_by_name | dict(re.findall(r'<select id="id_(\w+)".*?value="(\w+)"\s+selected', form[0], re.DOTALL))


def test_a_sent_payload_is_the_sample_and_the_suggested_mapping_makes_alerts_of_it(
    admin_client: Client, send: Send, app_key: Any
) -> None:
    route, page = f"/oim/custom/alerts?app_key={app_key.secret}", f"/integrations/{app_key.pk}/mapping"
    assert send(SAMPLE, path=route).status_code == 400
    shown = admin_client.get(page).content.decode()
    assert "/oim/custom/alerts" in shown
    assert "ups-1" in shown
    assert "On battery" in shown
    sent = fields(shown)
    assert admin_client.post(f"{page}/save", sent).status_code == 302
    assert send(SAMPLE, path=route).status_code == 201
    assert {alert.primary_value for alert in Alert.objects.all()} == {"ups-1", "ups-2"}
    again = fields(admin_client.get(page).content.decode())
    assert json.loads(again.pop("sample_payload")) == json.loads(sent.pop("sample_payload"))
    assert again == sent, "the form shows the saved mapping"


def test_the_preview_follows_the_form_and_names_errors(admin_client: Client, app_key: Any) -> None:
    page = f"/integrations/{app_key.pk}/mapping"
    sent = fields(admin_client.get(page).content.decode())
    assert "ups-1" in admin_client.post(f"{page}/preview", sent).content.decode()
    for changes, words in (
        ({"primary": "device.gone"}, ["device.gone", "is not in the sample"]),
        ({"sample_payload": "{"}, ["sample_payload", "is not JSON"]),
        ({"sample_payload": ""}, ["sample_payload"]),
        ({"tags": "nonsense"}, ["tags", "name = path"]),
        ({"event_filter": "host ="}, ["event_filter"]),
        ({"event_filter": "nothing = here"}, ["1 left out by the filter"]),
    ):
        shown = html.unescape(admin_client.post(f"{page}/preview", sent | changes).content.decode())
        for word in words:
            assert word in shown
    assert "is not in the sample" in admin_client.post(f"{page}/save", sent | {"primary": "gone"}).content.decode()


def test_a_version_is_compared_restored_and_switched_off_in_the_browser(
    admin_client: Client, api: Any, app_key: Any
) -> None:
    page = f"/integrations/{app_key.pk}/mapping"
    api("POST", body={"config": GOOD, "sample_payload": SAMPLE})
    api("POST", body={"config": GOOD | {"force_lowercase": False}, "sample_payload": SAMPLE})
    shown = admin_client.get(f"{page}/2").content.decode()
    assert "<ins>" in shown
    assert "force_lowercase" in shown
    admin_client.post(f"{page}/1/restore")
    assert "Version 3, counts now" in admin_client.get(page).content.decode()
    admin_client.post(f"{page}/off")
    assert "Nothing is mapped" in admin_client.get(page).content.decode()
    assert admin_client.get(f"{page}/9").status_code == 404
