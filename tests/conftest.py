"""Fixtures for all tests: people, credentials, and senders that use the real endpoint."""

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

from alerts.ingest import event_limit
from appkeys.models import AppKey, OrgToken
from bigpanda_site import celery_app
from incidents.models import CorrelationPattern
from people.models import BuiltIn, Role, User

PASSWORD = "correct horse battery"


class Reply(Protocol):
    """A response of the test client."""

    status_code: int
    content: bytes
    headers: Any

    def json(self) -> Any: ...


class PostEvent(Protocol):
    """A sender of one alert. It fills in `app_key` if the test names none, and `host` if nothing names the object."""

    def __call__(self, **fields: Any) -> Reply: ...


class PostBatch(Protocol):
    """A sender of a batch under the test's App Key."""

    def __call__(self, *items: Any) -> Reply: ...


class Send(Protocol):
    """A sender of any body to the Alerts API with the test's org token. It runs what the request caused: correlation runs inline."""

    def __call__(self, body: Any, **options: Any) -> Reply: ...


def pytest_configure() -> None:
    """Hash passwords quickly and lift the rate limits, because many people sign in and one person sends many requests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.WHITENOISE_AUTOREFRESH = True  # else every client of a test reads all static files first
    settings.SEARCH_SECONDS = 60  # of a loaded machine
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
    """Run tasks inline even if there is a broker. Tests of the broker start a console of their own."""
    before, celery_app.conf.task_always_eager = celery_app.conf.task_always_eager, True
    yield
    celery_app.conf.task_always_eager = before


@pytest.fixture(autouse=True)
def _keys_begin_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset the last key. Keys only grow, so a test in the future would move the rows of the next test there."""
    monkeypatch.setattr("alerts.models.keys._last_key", 0)


@pytest.fixture(autouse=True)
def _allowances_are_full() -> None:
    """Forget what App Keys of other tests have sent: the databases of tests use their numbers again."""
    event_limit.forget()


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
    token, secret = OrgToken.issue(name="Test senders", scopes=list(OrgToken.Scope))
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
    """Yield the settings of a running console with a database of its own, of the kind that this run of the suite uses."""
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
