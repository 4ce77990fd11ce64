"""The webhooks of tools, with recorded payloads: each fire becomes an alert that the resolve ends."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from alerts.api import sns
from alerts.events import Status, shown
from alerts.links import links_of
from alerts.models import Alert
from alerts.sources import SOURCES
from appkeys import gallery
from tests.alerts.signing import CERTIFICATE, CERTIFICATE_URL, signed
from tests.alerts.test_api import assert_error
from tests.conftest import Reply, Send
from tests.described import DescribedClient as Client

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
PAYLOADS = Path(__file__).parent / "payloads"
KINDS = {
    ".json": "application/json",
    ".form": "application/x-www-form-urlencoded",
    ".txt": "text/plain",
    ".eml": "message/rfc822",
}


class Pair(NamedTuple):
    """The alert that results from a recorded pair of payloads."""

    tool: str
    version: str
    status: str
    primary: str
    secondary: str
    links: str = ""  # names of the link buttons
    alerts: int = 1


TABLE = (
    Pair("prometheus", "alertmanager-0.25-documented", "critical", "db-1.example.com:9100", "DiskWillFillIn4Hours",
         "alertmanager dashboard runbook source_url", alerts=2),
    Pair("prometheus", "alertmanager-0.25-captured", "critical", "db-9.example.com:9100", "DiskFull", "alertmanager runbook source_url"),
    Pair("grafana", "unified-11.3-documented", "warning", "web-3", "High memory usage", "dashboard panel runbook silence source_url"),
    Pair("grafana", "legacy-7.5-documented", "critical", "Web CPU", "", "image rule"),
    Pair("nagios", "command-4.4-documented", "critical", "db-2", "PostgreSQL connections", "runbook"),
    Pair("nagios", "bigpanda-events-documented", "warning", "web-1", "HTTP"),
    Pair("icinga", "command-2.14-documented", "critical", "app-1", "disk /var", "source_url"),
    Pair("checkmk", "script-2.3-documented", "critical", "db-3", "Filesystem /var", "source_url"),
    Pair("zabbix", "webhook-6.0-documented", "critical", "db-2", "PostgreSQL: replication lag is over 60 s", "runbook source_url"),
    Pair("prtg", "http-action-24.1-documented", "critical", "switch-4", "Ping", "device_url prtg source_url"),
    Pair("cloudwatch", "sns-1-documented", "critical", "i-0abc1234def567890", "web-cpu-high", "source_url"),
    Pair("azure_monitor", "common-schema-1.0-documented", "critical", "vm-web-1", "VM CPU", "source_url"),
    Pair("google_cloud", "webhook-1.2-documented", "warning", "web-7", "Web CPU", "source_url"),
    Pair("datadog", "webhook-2024-documented", "critical", "web-9", "CPU of a web server on host:web-9", "snapshot source_url"),
    Pair("newrelic", "workflow-2024-documented", "critical", "checkout", "Checkout error rate", "source_url"),
    Pair("newrelic", "classic-2022-documented", "warning", "shop-web", "Apdex is low", "chart runbook source_url"),
    Pair("dynatrace", "custom-integration-1.290-documented", "critical", "web-11", "Host or monitoring unavailable", "source_url"),
    Pair("splunk", "alert-action-9.2-documented", "critical", "pay-1", "Payment errors", "source_url"),
    Pair("elastic", "kibana-8.13-documented", "warning", "checkout-eu", "Latency of checkout", "source_url"),
    Pair("elastalert", "http-post2-2.17-documented", "critical", "web-12", "Nginx 5xx"),
    Pair("sentry", "issue-alert-24.4-documented", "critical", "shop-web", "ReferenceError: blooopy is not defined", "source_url"),
    Pair("sentry", "metric-alert-24.4-documented", "critical", "shop-web", "Too many errors", "source_url"),
    Pair("uptime_kuma", "webhook-1.23-documented", "critical", "shop.example.com", "Shop front", "target"),
    Pair("healthchecks", "webhook-3.3-documented", "critical", "Backup of db-1", "Heartbeat", "source_url"),
    Pair("pagerduty", "events-v2-documented", "critical", "srv01.example.com", "HTTP status", "runbook source_url"),
    Pair("opsgenie", "alerts-v2-documented", "critical", "mq-1", "Queue of orders is long", "runbook"),
    Pair("pagerduty", "alertmanager-0.25-captured", "critical", "Alertmanager", "DiskFull sda1 db-9.example.com:9100 node critical", "source_url"),
    Pair("opsgenie", "alertmanager-0.25-captured", "critical", "db-9.example.com",
         "DiskFull sda1 db-9.example.com:9100 node critical", "source_url"),
    Pair("email", "pipe-rfc5322-documented", "critical", "vault-1", "Backup of vault", "report"),
)  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the URLs that are requested from SNS. Answer with the certificate of the tests."""
    addresses: list[str] = []

    def answer(url: str) -> str:
        addresses.append(url)
        return CERTIFICATE

    monkeypatch.setattr(sns, "fetch", answer)
    monkeypatch.setattr(sns, "_keys", {})
    return addresses


@pytest.fixture
def send_recorded(send: Send, app_key: Any, asked: list[str]) -> Any:
    def post(tool: str, stem: str) -> Reply:
        [file] = (PAYLOADS / tool).glob(f"{stem}.*")
        body = file.read_bytes().rstrip(b"\n")
        if tool == "cloudwatch":  # the key of a recorded signature could not be published
            body = json.dumps(signed(json.loads(body))).encode()
        return send(body, path=f"/oim/{tool}/alerts?app_key={app_key.secret}", content_type=KINDS[file.suffix])

    return post


@pytest.mark.parametrize("recorded", TABLE, ids=lambda recorded: f"{recorded.tool} {recorded.version}")
def test_a_recorded_fire_becomes_the_alert_that_its_recorded_resolve_ends(recorded: Pair, send_recorded: Any) -> None:
    reply = send_recorded(recorded.tool, f"{recorded.version}-fire")
    assert (reply.status_code, reply.json()["data"]) == (201, {})
    assert "notes" not in reply.json(), "a tool's plain payload needs no repair"
    alert = Alert.objects.order_by("pk")[0]
    assert (Status(alert.status).label, alert.primary_value, alert.secondary_value) == (
        recorded.status,
        recorded.primary,
        recorded.secondary,
    )
    assert " ".join(sorted(link.name for link in links_of(alert.tags))) == recorded.links
    assert shown(alert.tags["description"])
    assert Alert.objects.filter(ended_at=None).count() == recorded.alerts

    assert send_recorded(recorded.tool, f"{recorded.version}-fire").status_code == 204, "the same again is a duplicate"
    assert send_recorded(recorded.tool, f"{recorded.version}-resolve").status_code == 201
    assert Alert.objects.count() == recorded.alerts, "the resolve is for the same alerts"
    assert not Alert.objects.filter(ended_at=None)
    alert.refresh_from_db()
    assert (alert.primary_value, alert.secondary_value) == (recorded.primary, recorded.secondary), "it keeps its name"


def test_every_source_has_recorded_payloads_of_both_kinds_and_all_are_tested() -> None:
    files = {(file.parent.name, file.stem) for file in PAYLOADS.glob("*/*")}
    assert {(each.tool, f"{each.version}-{kind}") for each in TABLE for kind in ("fire", "resolve")} == files
    assert {each.tool for each in TABLE} == set(SOURCES)


def test_every_tool_in_the_gallery_has_a_source_and_help() -> None:
    assert set(gallery.TOOLS) - set(SOURCES) == {"api", "custom"}
    for slug in gallery.TOOLS:
        parts = gallery.setup(slug, url="https://console/oim/x/alerts", app_key="K" * 32, token="T" * 32)
        code = "\n".join(part.code for part in parts)
        assert "$URL" not in code
        assert "$APP_KEY" not in code
        assert "$TOKEN" not in code
        assert "https://console" in code
        assert gallery.fix(slug, "never_resolves")


@pytest.mark.parametrize("path", ["/oim/{}/alerts", "/data/integrations/{}", "/oim/{}_v2/alerts"])
def test_every_form_of_the_url_takes_app_key_and_token_in_the_query(path: str, org_token: Any, app_key: Any) -> None:
    url = path.format("nagios") + f"?access_token={org_token.secret}&app_key={app_key.secret}"
    reply = Client().post(url, {"host_name": "a", "state": "DOWN"})
    assert reply.status_code == 201
    assert Alert.objects.get().primary_value == "a"


def test_a_wrong_payload_is_a_400_that_describes_the_right_one(send: Send, app_key: Any) -> None:
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


# --- senders with one field for both secrets


def test_a_pagerduty_sender_gets_the_reply_it_expects_and_resolves_by_key(org_token: Any, app_key: Any) -> None:
    def post(**fields: Any) -> Any:
        body = {"routing_key": f"{org_token.secret}:{app_key.secret}", "dedup_key": "disk", **fields}
        return Client().post("/v2/enqueue", body, content_type="application/json")

    event = {"summary": "Disk full", "source": "web-1", "severity": "warning"}
    for _ in range(2):
        reply = post(event_action="trigger", payload=event)
        assert (reply.status_code, reply.json()) == (
            202,
            {"status": "success", "message": "Event processed", "dedup_key": "disk"},
        )
    assert post(event_action="acknowledge").status_code == 202
    assert Alert.objects.get().status == Status.ACKNOWLEDGED
    assert post(event_action="resolve").status_code == 202
    alert = Alert.objects.get()
    assert (alert.is_active, alert.primary_value) == (False, "web-1")
    assert_error(post(event_action="trigger"), 400, "summary")
    assert_error(
        Client().post("/v2/enqueue", {"event_action": "trigger"}, content_type="application/json"), 401, "org token"
    )


def test_an_opsgenie_sender_creates_acknowledges_and_closes_by_alias(org_token: Any, app_key: Any) -> None:
    client = Client(headers={"Authorization": f"GenieKey {org_token.secret}:{app_key.secret}"})

    def post(path: str, **fields: Any) -> Any:
        return client.post(path, fields, content_type="application/json")

    reply = post("/v2/alerts", message="Queue is long", alias="queue/orders", entity="mq-1", priority="P3")
    assert (reply.status_code, reply.json()["result"]) == (202, "Request will be processed")
    assert post("/v2/alerts/queue/orders/acknowledge?identifierType=alias", note="seen").status_code == 202
    assert Alert.objects.get().status == Status.ACKNOWLEDGED
    assert post("/v2/alerts/queue/orders/close?identifierType=alias").status_code == 202
    alert = Alert.objects.get()
    assert (alert.is_active, alert.primary_value) == (False, "mq-1")


def test_basic_authentication_carries_both_secrets(org_token: Any, app_key: Any) -> None:
    both = b64encode(f"{app_key.secret}:{org_token.secret}".encode()).decode()
    client = Client(headers={"Authorization": f"Basic {both}"})
    assert client.post("/oim/nagios/alerts", {"host_name": "a", "state": "DOWN"}).status_code == 201
    for wrong in ("Basic nonsense", "Basic " + b64encode(b"\xff\xfe").decode(), "GenieKey x"):
        assert_error(Client(headers={"Authorization": wrong}).post("/oim/nagios/alerts", {}), 401)


# --- Amazon SNS


@pytest.fixture
def post_sns(send: Send, app_key: Any) -> Any:
    path = f"/oim/cloudwatch_v2/alerts?app_key={app_key.secret}"
    return lambda message: send(json.dumps(message), path=path, content_type="text/plain; charset=UTF-8")


def subscription(**changes: str) -> dict[str, str]:
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": "165545c9",
        "Token": "2336412f37",
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:console",
        "Message": "You have chosen to subscribe",
        "SubscribeURL": "https://evil.example.com/?Action=ConfirmSubscription",
        "Timestamp": "2024-05-20T10:13:21.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
        **changes,
    }


def test_a_subscription_is_confirmed_at_sns_itself_whatever_address_the_message_names(
    post_sns: Any, asked: list[str]
) -> None:
    assert post_sns(signed(subscription())).status_code == 201
    confirmed = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn%3Aaws%3Asns%3Aeu-central-1%3A123456789012%3Aconsole"
    assert asked == [CERTIFICATE_URL, f"{confirmed}&Token=2336412f37"]
    post_sns(signed(subscription()))
    assert asked.count(CERTIFICATE_URL) == 1, "the certificate is asked for once"


@pytest.mark.parametrize(
    "changes",
    [
        {"SigningCertURL": "https://evil.example.com/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"},
        {"SigningCertURL": CERTIFICATE_URL.replace("https", "http")},
        {"SigningCertURL": CERTIFICATE_URL.replace("https://", "https://x@")},
        {"SigningCertURL": CERTIFICATE_URL.replace(".com/", ".com:8443/")},
        {"SigningCertURL": CERTIFICATE_URL.replace("eu-central-1", "us-east-1")},
        {"SigningCertURL": CERTIFICATE_URL + "?x"},
        {"SigningCertURL": "https://["},
        {"TopicArn": "arn:aws:sns:evil.example.com#:123456789012:console"},
        {"TopicArn": "arn:aws:sns:eu-central-1:123456789012:console/../x"},
    ],
)
def test_no_message_causes_a_request_to_another_host(changes: dict[str, str], post_sns: Any, asked: list[str]) -> None:
    assert_error(post_sns(signed(subscription(**changes))), 400, next(iter(changes)))
    assert asked == []


def test_a_message_that_sns_did_not_sign_is_refused(post_sns: Any, asked: list[str]) -> None:
    forged = signed(subscription()) | {"Token": "another"}
    assert_error(post_sns(forged), 400, "Signature")
    assert_error(post_sns(forged | {"Signature": "%"}), 400, "Signature")
    assert_error(post_sns(forged | {"SignatureVersion": "3"}), 400, "SignatureVersion")
    assert asked == [CERTIFICATE_URL], "nothing is confirmed"


def test_without_a_reply_from_sns_the_message_is_to_be_sent_again(
    post_sns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(url: str) -> str:
        raise OSError("no route")

    monkeypatch.setattr(sns, "fetch", answer)
    monkeypatch.setattr(sns, "_keys", {})
    assert_error(post_sns(signed(subscription())), 503, "sent again")


def test_while_one_message_waits_for_sns_others_do_not(post_sns: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two messages may wait at once. SNS sends further ones again, so that threads remain for pages."""
    regions = ["us-east-1", "us-west-2"]
    statuses: list[int] = []

    def answer(url: str) -> str:
        if url.endswith(".pem") and regions:  # the next message arrives meanwhile
            region = regions.pop(0)
            place = {
                "TopicArn": f"arn:aws:sns:{region}:123456789012:console",
                "SigningCertURL": CERTIFICATE_URL.replace("eu-central-1", region),
            }
            statuses.append(post_sns(signed(subscription(**place))).status_code)
        return CERTIFICATE

    monkeypatch.setattr(sns, "fetch", answer)
    monkeypatch.setattr(sns, "_keys", {})
    statuses.append(post_sns(signed(subscription())).status_code)
    assert statuses == [503, 201, 201]


@pytest.mark.parametrize(
    "answer", ["", "no certificate", CERTIFICATE[:400] + CERTIFICATE[-60:], CERTIFICATE.replace("M", "N")]
)
def test_a_reply_without_a_certificate_verifies_nothing(
    answer: str, post_sns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sns, "fetch", lambda url: answer)
    monkeypatch.setattr(sns, "_keys", {})
    assert_error(post_sns(signed(subscription())), 400, "SigningCertURL")
