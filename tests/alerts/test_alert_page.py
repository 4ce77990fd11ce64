"""The page of an alert: the changes that each event made, and each event as it was sent."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alerts import tasks
from alerts.health import request_log
from alerts.models import Alert, KeptRequests
from people.models import User
from tests.alerts.test_fast_path import statuses_of
from tests.alerts.test_parity import Secrets, item, secrets, web_process
from tests.conftest import PostBatch, PostEvent, Send

__all__ = ["secrets"]  # the fixture


@pytest.fixture
def page(client: Client, viewer: User) -> Any:
    client.force_login(viewer)

    def read(alert: Alert, **query: str | int) -> str:
        return unescape(client.get(f"/alerts/{alert.pk}", query).content.decode())

    return read


def payload_on(text: str) -> str:
    return text.split('<pre id="payload-text" tabindex="0">')[1].split("</pre>")[0]


def test_the_page_shows_the_payload_as_received(post_event: PostEvent, page: Any) -> None:
    post_event(host="web-1", zone=None, port=8080, ratio=1.5, Nested={"a": [1]}, padded="  x ")
    shown = page(Alert.objects.get())
    sent = json.loads(payload_on(shown))
    assert list(sent) == ["app_key", "status", "host", "zone", "port", "ratio", "Nested", "padded"]
    assert (sent["zone"], sent["port"], sent["Nested"], sent["padded"]) == (None, 8080, {"a": [1]}, "  x ")
    assert "As received at <code>/data/v2/alerts</code>" in shown


def test_of_a_batch_the_page_shows_only_the_part_of_the_alert(post_batch: PostBatch, page: Any) -> None:
    post_batch(item(host="web-1", n=1), {"status": "nonsense"}, item(host="web-2", n=2))
    shown = page(Alert.objects.get(identifier__contains="web-2"))
    assert json.loads(payload_on(shown))["n"] == 2
    assert "one of the 2 alerts of its request" in shown


def test_each_event_has_its_own_payload(post_event: PostEvent, page: Any) -> None:
    for number in range(3):
        post_event(
            host="web-1", status=("critical", "ok", "warning")[number], number=number, timestamp=1790000000 + number
        )
    alert = Alert.objects.get()
    first = alert.events.earliest("occurred_at")
    assert json.loads(payload_on(page(alert)))["number"] == 2
    assert json.loads(payload_on(page(alert, event=first.pk)))["number"] == 0
    for strange in ("0", "-1", "x", "9" * 30):
        assert json.loads(payload_on(page(alert, event=strange)))["number"] == 2


def test_the_payload_of_a_tool_is_shown_whole(send: Send, app_key: Any, page: Any) -> None:
    body = (Path(__file__).parent / "payloads/prometheus/alertmanager-0.25-captured-fire.json").read_bytes()
    send(body, path=f"/oim/prometheus/alerts?app_key={app_key.secret}")
    shown = page(Alert.objects.first())
    assert "groupLabels" in json.loads(payload_on(shown))
    assert "As received at <code>/oim/prometheus/alerts</code>" in shown


def test_a_gzip_payload_is_unpacked(send: Send, app_key: Any, page: Any) -> None:
    body = json.dumps({"app_key": app_key.secret, "status": "critical", "host": "web-1"}).encode()
    send(gzip.compress(body), headers={"Content-Encoding": "gzip"})
    assert json.loads(payload_on(page(Alert.objects.get())))["host"] == "web-1"


def test_credentials_are_neither_shown_nor_kept(
    send: Send, app_key: Any, org_token: Any, post_event: PostEvent, page: Any
) -> None:
    post_event(host="web-1", api_token="s3cret")
    together = f"{org_token.secret}:{app_key.secret}"
    event = {"summary": "disk", "source": "db", "severity": "error"}
    send({"routing_key": together, "event_action": "trigger", "payload": event}, path="/v2/enqueue")
    for alert in Alert.objects.all():
        shown = payload_on(page(alert))
        assert "[REDACTED]" in shown
        assert app_key.secret not in shown
        assert "s3cret" not in shown
    for kept in KeptRequests.objects.all():
        unpacked = zlib.decompress(kept.packed).decode()
        assert app_key.secret not in unpacked
        assert org_token.secret not in unpacked


def test_an_event_without_its_request_is_shown_as_stored(post_event: PostEvent, page: Any) -> None:
    post_event(host="web-1", port=8080)
    post_event(host="web-2")
    KeptRequests.objects.filter(pk=KeptRequests.objects.earliest("pk").pk).update(
        until=timezone.now() - timedelta(days=8)
    )
    tasks.forget_samples()
    shown = page(Alert.objects.get(identifier="host=web-1"))
    assert "this one is not among them" in shown
    assert json.loads(payload_on(shown))["port"] == "8080"
    assert "As received" in page(Alert.objects.get(identifier="host=web-2"))


def test_beyond_the_limit_of_bytes_the_oldest_requests_are_deleted(
    post_event: PostEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        post_event(host=f"web-{number}")
    sizes = list(KeptRequests.objects.order_by("-pk").values_list("size", flat=True))
    monkeypatch.setattr(request_log, "KEPT_BYTES", sum(sizes[:2]))
    kept = list(KeptRequests.objects.order_by("pk").values_list("pk", flat=True))
    assert request_log.forget_old() == 2
    assert list(KeptRequests.objects.order_by("pk").values_list("pk", flat=True)) == kept[2:]


@pytest.mark.django_db(transaction=True)
def test_each_of_hundreds_of_simultaneous_requests_on_the_fast_path_is_recorded(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch, client: Client, viewer: User, page: Any
) -> None:
    async def play() -> None:
        async with web_process(monkeypatch) as web:
            await statuses_of(web, secrets, {**item(host="warm-up"), "app_key": "APP_KEY"})
            before = web.passed_on
            many = [{**item(host=f"web-{number}", n=number), "app_key": "APP_KEY"} for number in range(250)]
            await statuses_of(web, secrets, *many)
            assert web.passed_on == before

    asyncio.run(play())
    for number in (0, 99, 100, 249):
        sent = json.loads(payload_on(page(Alert.objects.get(identifier__startswith=f"host=web-{number} "))))
        assert (sent["n"], sent["app_key"]) == (number, "[REDACTED]")


def test_the_page_links_to_the_other_alerts_of_the_identity(post_event: PostEvent, page: Any) -> None:
    now = timezone.now().timestamp()
    day = 86_400
    for status, ago in (("critical", 9), ("ok", 8), ("critical", 2), ("ok", 1)):
        post_event(host="web-1", status=status, timestamp=int(now - ago * day))
    first, second = Alert.objects.order_by("life")
    assert f'href="/alerts/{first.pk}">number 1</a>' in page(second)
    assert f'href="/alerts/{second.pk}">number 2</a>' in page(first)
    assert "of this identity" not in page(_alone(post_event))


def _alone(post_event: PostEvent) -> Alert:
    post_event(host="alone")
    return Alert.objects.get(identifier="host=alone")


def test_the_time_of_receipt_is_shown_where_it_differs_from_the_timestamp(post_event: PostEvent, page: Any) -> None:
    post_event(host="web-1", timestamp=int(timezone.now().timestamp()) - 600)
    post_event(host="web-2", timestamp=int(timezone.now().timestamp()))
    assert '<span class="received">received' in page(Alert.objects.get(identifier="host=web-1"))
    assert '<span class="received">received' not in page(Alert.objects.get(identifier="host=web-2"))
