"""Bodies of requests to the resources of people's scripts: JSON with texts that a database can hold, on every resource."""

from __future__ import annotations

import pytest
from django.test import Client

from alerts.models import Alert
from people.models import ApiKey, User
from tests.conftest import PostEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def script(admin: User) -> Client:
    _, secret = ApiKey.issue(admin, name="Script", expires_at=None)
    return Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)


@pytest.fixture
def paths(post_event: PostEvent) -> dict[str, str]:
    post_event(host="web-1")
    incident = f"/resources/v2.0/environments/all/incidents/{Alert.objects.get().incident_id}"
    return {
        "note": "/resources/v2.0/correlation-patterns",
        "comment": f"{incident}/comments",
        "comments": f"{incident}/resolve",
        "name": "/resources/v2.0/maintenance-plans",
    }


@pytest.mark.parametrize("field", ["note", "comment", "comments", "name"])
@pytest.mark.parametrize("value", ['"\\ud800"', '"a\\u0000b"', '["\\udfff"]', '{"\\ud800": 1}'])
def test_characters_that_are_not_text_are_refused_by_the_name_of_their_field(
    script: Client, paths: dict[str, str], field: str, value: str
) -> None:
    body = f'{{"{field}": {value}}}'
    reply = script.post(paths[field], body, content_type="application/json")
    assert reply.status_code == 400
    assert reply.json()["errors"] == [f"{field}: holds characters that are not text (NUL, lone surrogates)."]


def test_a_body_nested_without_end_is_refused(script: Client, paths: dict[str, str]) -> None:
    body = '{"note": ' + "[" * 100_000 + "]" * 100_000 + "}"
    reply = script.post(paths["note"], body, content_type="application/json")
    assert reply.status_code == 400
    assert reply.json()["errors"] == ["The body is nested too deeply."]
