"""Errors go to Sentry and traces to a collector only where a setting asks for it, and no secret goes with them.

The packages of both are not in the environment of the tests, so their place is taken by `FakeSentry`.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from types import ModuleType
from typing import Any

import pytest
from django.conf import LazySettings
from django.http import HttpResponse
from django.test import Client, RequestFactory

import console
from bigpanda_site import reporting, request_ids

pytestmark = pytest.mark.any_database
SECRET = "5ec7e7f00d5ec7e7f00d5ec7e7f00d77"
SETTINGS = ("SENTRY_DSN", "OTEL_EXPORTER_OTLP_ENDPOINT")


# --- The environment


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_console_that_reports_has_an_environment_of_its_own(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in SETTINGS:
        monkeypatch.delenv(each, raising=False)
    assert console.LOCKS[console.running()] == "requirements.lock"
    monkeypatch.setenv(setting, "")
    assert console.LOCKS[console.running()] == "requirements.lock"
    monkeypatch.setenv(setting, "http://collector.example")
    assert console.LOCKS[console.running()] == "requirements-reporting.lock"


def test_the_environment_that_reports_has_what_the_other_one_has_and_the_packages_for_reports() -> None:
    plain, reports = _packages("requirements.lock"), _packages("requirements-reporting.lock")
    assert plain.items() <= reports.items()
    added = {"sentry-sdk", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"}
    assert added <= reports.keys()
    for lock in ("requirements.lock", "requirements-test.lock"):  # redis would import them at each start
        assert not [name for name in _packages(lock) if name.startswith(("opentelemetry", "sentry"))]


def _packages(lock: str) -> dict[str, str]:
    """Return the version and hashes of each package of a lock by its name."""
    blocks = (console.CODE / lock).read_text().replace("\\\n", "").splitlines()
    return dict(block.split("==", 1) for block in blocks)


# --- The start


@pytest.mark.parametrize(("setting", "name"), [("SENTRY_DSN", SETTINGS[0]), ("OTLP_ENDPOINT", SETTINGS[1])])
def test_a_console_without_the_packages_says_so_in_one_line_and_starts(
    setting: str, name: str, settings: LazySettings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("sentry_sdk", "opentelemetry"):
        monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    setattr(settings, setting, "http://key@collector.example/1")
    reporting.start("web")
    (line,) = caplog.records
    assert line.levelno == logging.ERROR
    assert line.getMessage().startswith(f"{name} is set, but nothing is reported")
    assert "requirements-reporting.lock" in line.getMessage()
    assert line.exc_info is None


def test_a_console_that_nobody_asked_loads_nothing(
    settings: LazySettings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("sentry_sdk", "opentelemetry"):
        monkeypatch.setitem(sys.modules, package, None)
    settings.SENTRY_DSN = settings.OTLP_ENDPOINT = ""
    reporting.start("web")
    assert not caplog.records


class FakeSentry:
    """Stand-in for Sentry's package, with what the console gives to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.options: dict[str, Any] = {}
        self.fails = ""
        names = {
            "sentry_sdk": {"init": self.init},
            "sentry_sdk.integrations": {},
            "sentry_sdk.integrations.atexit": {"AtexitIntegration": self.integration("atexit")},
            "sentry_sdk.integrations.dedupe": {"DedupeIntegration": self.integration("dedupe")},
            "sentry_sdk.integrations.excepthook": {"ExcepthookIntegration": self.integration("excepthook")},
            "sentry_sdk.integrations.logging": {
                "LoggingIntegration": self.integration("logging"),
                "ignore_logger": lambda name: None,
            },
            "sentry_sdk.integrations.threading": {"ThreadingIntegration": self.integration("threading")},
        }
        for name, content in names.items():
            module = ModuleType(name)
            vars(module).update(content)
            monkeypatch.setitem(sys.modules, name, module)

    def init(self, **options: Any) -> None:
        if self.fails:
            raise ValueError(self.fails)
        self.options = options

    @staticmethod
    def integration(name: str) -> Any:
        return lambda **options: (name, options)


@pytest.fixture
def sentry(monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> FakeSentry:
    settings.SENTRY_DSN = "https://key@sentry.example/1"
    return FakeSentry(monkeypatch)


def test_sentry_is_told_to_take_no_data_of_people_and_requests(sentry: FakeSentry) -> None:
    reporting.start("worker")
    options = sentry.options
    assert options["dsn"] == "https://key@sentry.example/1"
    assert options["send_default_pii"] is False
    assert options["include_local_variables"] is False
    assert options["max_request_body_size"] == "never"
    assert options["max_breadcrumbs"] == 0
    assert options["default_integrations"] is options["auto_enabling_integrations"] is False
    used = dict(options["integrations"])
    assert set(used) == {"atexit", "dedupe", "excepthook", "logging", "threading"}
    assert used["logging"] == {"level": None, "sentry_logs_level": None}
    assert options["before_send"]({}, {}) == {"tags": {"process": "worker"}}


def test_an_address_that_sentry_cannot_read_does_not_stop_the_console(
    sentry: FakeSentry, caplog: pytest.LogCaptureFixture
) -> None:
    sentry.fails = f"Invalid address https://{SECRET}@nowhere"
    reporting.start("beat")
    assert [each.getMessage() for each in caplog.records] == [
        "SENTRY_DSN cannot be used, so nothing is reported: Invalid address https://[REDACTED]@nowhere"
    ]


# --- What leaves


def test_an_event_leaves_without_the_request_and_its_secrets() -> None:
    frame = {"filename": "a.py", "function": "f", "lineno": 7, "vars": {"key": SECRET}}
    event = {
        "event_id": "e" * 32,
        "level": "error",
        "logger": "django.request",
        "logentry": {"message": "%s: %s", "formatted": f"Not Found: /welcome/{SECRET}?a={SECRET}", "params": [SECRET]},
        "exception": {
            "values": [
                {
                    "type": "DataError",
                    "value": f"value too long\nDETAIL: Failing row contains ({SECRET})",
                    "stacktrace": {"frames": [frame], "registers": {"r": SECRET}},
                }
            ]
        },
        "request": {"url": SECRET, "headers": {"Authorization": SECRET}, "data": SECRET, "cookies": SECRET},
        "user": {"username": SECRET},
        "extra": {"request": f"<WSGIRequest: GET '/?token={SECRET}'>"},
        "breadcrumbs": {"values": [{"message": SECRET}]},
        "modules": {"x": SECRET},
        "transaction": SECRET,
        "tags": {"x": SECRET},
    }
    token = request_ids.current.set("abc-1")
    sent = reporting.reported(event, {}, process="web")
    request_ids.current.reset(token)
    assert SECRET not in json.dumps(sent)
    assert sent["logentry"] == {"message": "%s: %s", "formatted": "Not Found: /welcome/…?…"}
    (exception,) = sent["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("DataError", "value too long")
    assert exception["stacktrace"] == {"frames": [{"filename": "a.py", "function": "f", "lineno": 7}]}
    assert sent["tags"] == {"process": "web", "request_id": "abc-1"}


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("no such table: people_invitation", "no such table: people_invitation"),
        ("'Incident' object has no attribute 'x'", "'Incident' object has no attribute 'x'"),
        (f"no key {SECRET}", "no key [REDACTED]"),
        ("Authorization: Bearer abcdefgh", "Authorization: Bearer [REDACTED]"),
        ("password=hunter2 is wrong", "password=[REDACTED] is wrong"),
        (
            "Cannot connect to redis://:hunter2@127.0.0.1:6379/0",
            "Cannot connect to redis://:[REDACTED]@127.0.0.1:6379/0",
        ),
        ("Cannot connect to postgres://me:hunter2@db/x", "Cannot connect to postgres://me:[REDACTED]@db/x"),
        ("/configurations/alerts/oim/hunter2/versions", "/configurations/alerts/oim/…/versions"),
        ("GET /data/v2/alerts?app_key=hunter2", "GET /data/v2/alerts?…"),
        (f"invalid value: '{'the disk of db is full ' * 3}'", "invalid value: '…'"),
        ("x y " * 100, ("x y " * 100)[: reporting.TEXT_LIMIT]),
    ],
)
def test_a_message_leaves_without_what_looks_like_a_secret(text: str, sent: str) -> None:
    assert reporting.without_secrets(text) == sent


@pytest.mark.django_db
def test_a_span_names_the_route_and_not_the_address(client: Client) -> None:
    response = client.get(f"/welcome/{SECRET}?a={SECRET}", headers={"Authorization": SECRET})
    request: Any = RequestFactory().get(f"/welcome/{SECRET}?a={SECRET}")
    request.resolver_match = response.resolver_match
    name, attributes = reporting.described(request, HttpResponse(status=410))
    assert name == "GET /welcome/<str:secret>"
    assert attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 410,
        "http.route": "/welcome/<str:secret>",
    }


def test_a_span_of_an_unknown_address_or_method_repeats_nothing_of_it() -> None:
    request = RequestFactory().generic("S3CRET", f"/{SECRET}")
    name, attributes = reporting.described(request, HttpResponse(status=404))
    assert (name, attributes) == ("_OTHER", {"http.request.method": "_OTHER", "http.response.status_code": 404})


def test_a_collector_that_is_away_costs_a_line_a_minute() -> None:
    log, handler = logging.Logger("exporter"), logging.StreamHandler(written := io.StringIO())
    log.addHandler(handler)
    log.addFilter(seldom := reporting.Seldom())
    log.warning("again")
    log.error("first")
    log.error("second")
    seldom.next_at -= reporting.QUIET_SECONDS
    log.error("third")
    assert written.getvalue().split() == ["first", "third"]
