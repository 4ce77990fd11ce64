"""The tools' own webhooks, as they are sent: what each payload becomes, and that its resolve ends what its fire began."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.test import Client

from alerts.events import Status, shown
from alerts.links import links_of
from alerts.models import Alert
from alerts.sources import SOURCES
from appkeys import gallery
from tests.alerts.test_api import assert_error
from tests.conftest import Reply, Send

pytestmark = pytest.mark.django_db
PAYLOADS = Path(__file__).parent / "payloads"
KINDS = {
    ".json": "application/json",
    ".form": "application/x-www-form-urlencoded",
    ".txt": "text/plain",
    ".eml": "message/rfc822",
}


class Told(NamedTuple):
    """What a recorded pair of payloads comes to."""

    tool: str
    version: str
    status: str
    primary: str
    secondary: str
    links: str = ""  # names of its link buttons
    alerts: int = 1


TABLE = (
    Told("prometheus", "alertmanager-0.25-documented", "critical", "db-1.example.com:9100", "DiskWillFillIn4Hours",
         "alertmanager dashboard runbook source_url", alerts=2),
    Told("grafana", "unified-11.3-documented", "warning", "web-3", "High memory usage", "dashboard panel runbook silence source_url"),
    Told("grafana", "legacy-7.5-documented", "critical", "Web CPU", "", "image rule"),
    Told("nagios", "command-4.4-documented", "critical", "db-2", "PostgreSQL connections", "runbook"),
    Told("nagios", "bigpanda-events-documented", "warning", "web-1", "HTTP"),
)  # fmt: skip


@pytest.fixture
def send_recorded(send: Send, app_key: Any) -> Any:
    def post(tool: str, stem: str) -> Reply:
        [file] = (PAYLOADS / tool).glob(f"{stem}.*")
        return send(
            file.read_bytes().rstrip(b"\n"),
            path=f"/oim/{tool}/alerts?app_key={app_key.secret}",
            content_type=KINDS[file.suffix],
        )

    return post


@pytest.mark.parametrize("told", TABLE, ids=lambda told: f"{told.tool} {told.version}")
def test_a_recorded_fire_becomes_the_alert_that_its_recorded_resolve_ends(told: Told, send_recorded: Any) -> None:
    reply = send_recorded(told.tool, f"{told.version}-fire")
    assert (reply.status_code, reply.json()["data"]) == (201, {})
    assert "notes" not in reply.json(), "a tool's plain payload needs no repair"
    alert = Alert.objects.order_by("pk")[0]
    assert (Status(alert.status).label, alert.primary_value, alert.secondary_value) == (
        told.status,
        told.primary,
        told.secondary,
    )
    assert " ".join(sorted(link.name for link in links_of(alert.tags))) == told.links
    assert shown(alert.tags["description"])
    assert Alert.objects.filter(ended_at=None).count() == told.alerts

    assert send_recorded(told.tool, f"{told.version}-fire").status_code == 204, "the same again is a duplicate"
    assert send_recorded(told.tool, f"{told.version}-resolve").status_code == 201
    assert Alert.objects.count() == told.alerts, "the resolve speaks of the same alerts"
    assert not Alert.objects.filter(ended_at=None)
    alert.refresh_from_db()
    assert (alert.primary_value, alert.secondary_value) == (told.primary, told.secondary), "it keeps its name"


def test_every_source_has_recorded_payloads_of_both_kinds_and_all_are_played() -> None:
    recorded = {(file.parent.name, file.stem) for file in PAYLOADS.glob("*/*")}
    assert {(told.tool, f"{told.version}-{kind}") for told in TABLE for kind in ("fire", "resolve")} == recorded
    assert {told.tool for told in TABLE} == set(SOURCES)


def test_the_gallery_offers_what_can_be_read_and_each_has_its_help() -> None:
    assert set(gallery.TOOLS) - set(SOURCES) == {"api"}
    for slug in gallery.TOOLS:
        parts = gallery.setup(slug, url="https://console/oim/x/alerts", app_key="K" * 32, token="T" * 32)
        code = "\n".join(part.code for part in parts)
        assert "$URL" not in code
        assert "$APP_KEY" not in code
        assert "$TOKEN" not in code
        assert "https://console" in code
        assert gallery.fix(slug, "never_resolves")


@pytest.mark.parametrize("path", ["/oim/{}/alerts", "/data/integrations/{}", "/oim/{}_v2/alerts"])
def test_both_url_shapes_take_key_and_token_in_the_query(path: str, org_token: Any, app_key: Any) -> None:
    url = path.format("nagios") + f"?access_token={org_token.secret}&app_key={app_key.secret}"
    reply = Client().post(url, {"host_name": "a", "state": "DOWN"})
    assert reply.status_code == 201
    assert Alert.objects.get().primary_value == "a"


def test_a_wrong_payload_is_a_400_that_says_what_was_expected_of_this_tool(send: Send, app_key: Any) -> None:
    path = f"/oim/prometheus/alerts?app_key={app_key.secret}"
    assert_error(send({"host": "a"}, path=path), 400, "alerts", "array")
    assert "Expected from Prometheus Alertmanager" in send([], path=path).json()["errors"][1]
    assert_error(send("{", path=path), 400, "not JSON")


def test_an_unknown_tool_a_missing_token_and_a_missing_key_have_their_own_answers(send: Send, app_key: Any) -> None:
    assert_error(send({}, path="/oim/toaster/alerts"), 404, "toaster", "prometheus")
    assert_error(Client().post("/oim/nagios/alerts", {}), 401, "Bearer")
    assert_error(send({}, path="/oim/nagios/alerts"), 400, "app_key", "required")
    app_key.deactivate()
    assert_error(send({}, path=f"/oim/nagios/alerts?app_key={app_key.secret}"), 400, "deactivated")
    assert_error(send({}, path="/oim/nagios"), 404, "not found")
