"""Tests of deployments: reported by BigPanda's clients, and shown beside the incidents that they may have caused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from appkeys.models import AppKey, OrgToken
from incidents.models import Deployment, Incident
from people.models import User
from tests.conftest import PostEvent
from tests.described import DescribedClient

SHOP = {"component": "shop", "version": "1.2", "hosts": ["web-1", "web-2"]}


@pytest.fixture
def tell(org_token: Any) -> Any:
    client = DescribedClient(headers={"Authorization": f"Bearer {org_token.secret}"})

    def post(moment: str, **fields: Any) -> Any:
        return client.post(f"/data/events/deployments/{moment}", {**SHOP, **fields}, content_type="application/json")

    return post


def beside(title: str = "web-1") -> list[str]:
    return [str(each) for each in Deployment.objects.beside(Incident.objects.get(title__contains=title))]


@pytest.mark.parametrize("moment", ["start", "end"])
def test_it_answers_as_ansible_and_ruby_expect(tell: Any, moment: str) -> None:
    reply = tell(moment)
    assert (reply.status_code, reply.json()) == (200, {"response": {"status": "created"}})


def test_it_is_in_progress_until_the_same_component_version_and_hosts_end(tell: Any) -> None:
    tell(
        "start", owner="Paul", env="stage", description="Friday", source_system="python", properties={"ticket": "OPS-7"}
    )
    tell("end", version="1.3")
    shop = Deployment.objects.get(version="1.2")
    assert shop.status == Deployment.Status.IN_PROGRESS
    assert (shop.owner, shop.env, shop.source, shop.properties) == ("Paul", "stage", "python", {"ticket": "OPS-7"})
    tell("end", hosts=["web-2", "web-1"], status="failure", errorMessage="disk full")
    shop.refresh_from_db()
    assert (shop.status, shop.error_message) == (Deployment.Status.FAILURE, "disk full")
    assert shop.ended_at is not None
    assert Deployment.objects.count() == 2


def test_a_start_told_twice_is_one_deployment_and_after_its_end_another(tell: Any) -> None:
    tell("start")
    tell("start")
    assert Deployment.objects.count() == 1
    tell("end")
    tell("start")
    assert Deployment.objects.count() == 2


def test_an_end_without_a_start_is_kept_too(tell: Any) -> None:
    tell("end", status="success", timestamp=1_700_000_000)
    only = Deployment.objects.get()
    assert only.started_at == only.ended_at
    assert only.started_at.year == 2023


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"component": ""}, "component"),
        ({"version": None}, "version"),
        ({"version": ["1"]}, "version"),
        ({"hosts": []}, "hosts"),
        ({"hosts": [1]}, "hosts"),
        ({"hosts": ["x"] * 1001}, "hosts"),
        ({"status": "broken"}, "status"),
        ({"timestamp": "soon"}, "timestamp"),
    ],
)
def test_what_is_wrong_is_named_where_each_client_looks(tell: Any, fields: dict[str, Any], named: str) -> None:
    reply = tell("end", **fields)
    assert reply.status_code == 400
    told = reply.json()
    for message in (told["error"], told["errors"][0], told["response"]["errors"][0]):
        assert message.startswith(f"{named}: ")


@pytest.mark.parametrize("body", ["[]", '"x"', "{", "null"])
def test_what_is_no_object_is_refused(org_token: Any, body: str) -> None:
    sender = DescribedClient(headers={"Authorization": f"Bearer {org_token.secret}"})
    assert sender.post("/data/events/deployments/start", body, content_type="application/json").status_code == 400


def test_one_host_may_be_a_word_and_a_version_a_number(tell: Any) -> None:
    assert tell("start", hosts="web-9", version=7).status_code == 200
    assert (Deployment.objects.get().hosts, Deployment.objects.get().version) == (["web-9"], "7")


def test_without_a_token_it_is_refused(db: None) -> None:
    reply = Client().post("/data/events/deployments/start", SHOP, content_type="application/json")
    assert reply.status_code == 401
    assert reply.json()["response"]["errors"]


def test_any_other_moment_is_no_route(tell: Any) -> None:
    assert tell("pause").status_code == 404


def test_it_stands_beside_an_incident_that_shares_a_host(tell: Any, post_event: PostEvent) -> None:
    tell("start")
    tell("start", component="billing", hosts=["db-1"])
    post_event(host="WEB-1", check="HTTP 5xx")
    assert beside("WEB-1") == ["shop 1.2"]


def test_or_a_tag_with_its_component_or_a_property(tell: Any, post_event: PostEvent) -> None:
    tell("start", component="checkout", hosts=["a"])
    tell("start", component="cart", hosts=["b"], properties={"cluster": "fra-3"})
    post_event(host="lb-1", application="checkout", cluster=["fra-2", "fra-3"])
    assert beside("lb-1") == ["checkout 1.2", "cart 1.2"]


def test_but_not_one_of_another_time(tell: Any, post_event: PostEvent) -> None:
    now = timezone.now()
    for hours, version in ((6, "old"), (3, "recent")):
        at = int((now - timedelta(hours=hours)).timestamp())
        tell("start", version=version, timestamp=at)
        tell("end", version=version, timestamp=at + 60)
    post_event(host="web-1")
    assert beside() == ["shop recent"]


def test_the_incidents_timeline_shows_it(client: Client, viewer: User, tell: Any, post_event: PostEvent) -> None:
    tell("start", owner="Paul <i>", timestamp=int((timezone.now() - timedelta(minutes=30)).timestamp()))
    tell("end", status="failure", errorMessage="disk full")
    post_event(host="web-1")
    client.force_login(viewer)
    page = client.get(f"/incidents/{Incident.objects.get().pk}/timeline").content.decode()
    for words in (
        "Deployments on the same hosts or tags",
        "shop 1.2",
        "Failed: disk full",
        "by Paul &lt;i&gt;",
        'class="rollout"',
    ):
        assert words in page


def test_what_a_limited_token_tells_stands_beside_alerts_of_its_own_integrations(
    tell: Any, post_event: PostEvent, app_key: AppKey
) -> None:
    other, _ = AppKey.issue(name="Zabbix")
    for limits, version in (([other], "of Zabbix"), ([app_key, other], "of both")):
        _, secret = OrgToken.issue(name=version, app_keys=limits)
        client = Client(headers={"Authorization": f"Bearer {secret}"})
        body = {**SHOP, "version": version}
        assert client.post("/data/events/deployments/start", body, content_type="application/json").status_code == 200
    post_event(host="web-1")
    assert beside() == ["shop of both"]


def test_a_limited_token_changes_no_deployment_of_another_sender(tell: Any, app_key: AppKey) -> None:
    tell("start")
    _, secret = OrgToken.issue(name="Limited", app_keys=[app_key])
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    body = {**SHOP, "status": "failure"}
    assert client.post("/data/events/deployments/end", body, content_type="application/json").status_code == 200
    assert Deployment.objects.get(app_key_ids__isnull=True).status == Deployment.Status.IN_PROGRESS
    assert Deployment.objects.get(app_key_ids__isnull=False).status == Deployment.Status.FAILURE
