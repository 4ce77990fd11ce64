"""The cast and the props: people, credentials, and senders that speak through the real endpoint."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import urlsplit

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from appkeys.models import AppKey, OrgToken
from bigpanda_site import celery_app
from incidents.models import CorrelationPattern
from people.models import BuiltIn, Role, User

PASSWORD = "correct horse battery"


class Reply(Protocol):
    """What the test client answers with."""

    status_code: int
    content: bytes
    headers: Any

    def json(self) -> Any: ...


class PostEvent(Protocol):
    """Sends one alert; `app_key` is filled in where the test does not name one, `host` where nothing names the object."""

    def __call__(self, **fields: Any) -> Reply: ...


class PostBatch(Protocol):
    """Sends a batch under the test's App Key."""

    def __call__(self, *items: Any) -> Reply: ...


class Send(Protocol):
    """Posts any body to the Alerts API with the test's org token, and lets what it caused happen: correlation runs inline."""

    def __call__(self, body: Any, **options: Any) -> Reply: ...


def pytest_configure() -> None:
    """Many people sign in here; a slow hash of their passwords proves nothing. And one person asks much in a second."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.PATTERN_REQUESTS_PER_SECOND = settings.BATCH_RESOLVES_PER_SECOND = settings.V1_REQUESTS_PER_MINUTE = 0


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_keepdb: bool, django_db_blocker: Any) -> None:
    """Empty a database that `--reuse-db` kept, and fill in what the migrations of a new console fill in."""
    if django_db_keepdb:
        with django_db_blocker.unblock():
            call_command("flush", interactive=False, verbosity=0)
            import_module("incidents.migrations.0002_patterns_and_autovacuum").install(apps, None)


@pytest.fixture(autouse=True)
def _work_runs_inline() -> Iterator[None]:
    """Also where a broker is there: tests of the broker start a console of their own."""
    before, celery_app.conf.task_always_eager = celery_app.conf.task_always_eager, True
    yield
    celery_app.conf.task_always_eager = before


@pytest.fixture(autouse=True)
def _keys_begin_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys only grow, so after a test that went into the future the next one's rows would lie there too."""
    monkeypatch.setattr("alerts.models.keys._last_key", 0)


def _person(name: str, role: BuiltIn) -> User:
    return User.objects.create_user(name, password=PASSWORD, role=Role.objects.built_in(role))


@pytest.fixture
def admin(db: None) -> User:
    return _person("ada", BuiltIn.ADMIN)


@pytest.fixture
def responder(db: None) -> User:
    return _person("rosa", BuiltIn.RESPONDER)


@pytest.fixture
def viewer(db: None) -> User:
    return _person("vera", BuiltIn.VIEWER)


@pytest.fixture
def org_token(db: None) -> OrgToken:
    token, secret = OrgToken.issue(name="Test senders")
    token.secret = secret  # type: ignore[attr-defined]
    return token


@pytest.fixture
def app_key(db: None) -> AppKey:
    key, secret = AppKey.issue(name="Nagios")
    key.secret = secret  # type: ignore[attr-defined]
    return key


@pytest.fixture
def send(org_token: Any, django_capture_on_commit_callbacks: Any) -> Send:
    client = Client(headers={"Authorization": f"Bearer {org_token.secret}"})

    def post(body: Any, **options: Any) -> Reply:
        raw = body if isinstance(body, bytes | str) else json.dumps(body)
        with django_capture_on_commit_callbacks(execute=True):
            reply: Reply = client.post(
                options.pop("path", "/data/v2/alerts"), raw, **{"content_type": "application/json", **options}
            )
        return reply

    return post


@pytest.fixture
def post_event(send: Send, app_key: Any) -> PostEvent:
    def post(**fields: Any) -> Reply:
        named = {"host", "service", "application", "device", "primary_property"} & fields.keys()
        return send({"app_key": app_key.secret, "status": "critical", **({} if named else {"host": "web-1"}), **fields})

    return post


@pytest.fixture
def post_batch(send: Send, app_key: Any) -> PostBatch:
    return lambda *items: send({"app_key": app_key.secret, "alerts": list(items)})


@pytest.fixture
def own_database() -> Iterator[dict[str, str]]:
    """The settings of a running console whose database is its own, and of the kind that this run of the suite is about."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        yield {}
        return
    name = f"console_{secrets.token_hex(8)}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield {"DATABASE_URL": urlsplit(url)._replace(path=f"/{name}").geturl()}
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def starting_patterns(transactional_db: None) -> None:
    """Create the patterns of a new console, which a test that empties the whole database has deleted."""
    CorrelationPattern.objects.all().delete()
    import_module("incidents.migrations.0002_patterns_and_autovacuum").install(apps, None)
