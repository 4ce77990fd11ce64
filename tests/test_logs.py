"""Secrets never reach a log, not even those that senders put into the URL."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from django.test import Client

from bigpanda_site import celery, celery_app, request_ids
from bigpanda_site.log_lines import JsonLine, WithoutQueryStrings, WithRequest


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            '"POST /data/v2/alerts?access_token=5ec7e7&app_key=5ec7e7 HTTP/1.1" 201',
            '"POST /data/v2/alerts?… HTTP/1.1" 201',
        ),
        ("Bad Request: /data/v2/alerts?app_key=5ec7e7", "Bad Request: /data/v2/alerts?…"),
        (
            "Not Found: /configurations/alerts/oim/5ec7e7/versions/9",
            "Not Found: /configurations/alerts/oim/…/versions/9",
        ),
        ("Service Unavailable: /welcome/5ec7e7", "Service Unavailable: /welcome/…"),
        ("Is this so? Yes.", "Is this so? Yes."),
    ],
)
def test_a_query_string_with_a_secret_is_cut_out_of_every_line(line: str, shown: str) -> None:
    record = logging.LogRecord("django.server", logging.INFO, "", 0, "%s", (line,), None)
    assert WithoutQueryStrings().filter(record)
    assert record.getMessage() == shown


def test_a_line_in_json_is_one_object_with_the_request_and_the_exception() -> None:
    try:
        raise ValueError("no\nnumber")
    except ValueError:
        record = logging.LogRecord("alerts", logging.ERROR, "", 0, "stored %d\nof 2", (1,), sys.exc_info())
    token = request_ids.current.set("abc-1")
    WithRequest().filter(record)
    request_ids.current.reset(token)
    line = JsonLine().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"], told["request_id"]) == (
        "ERROR", "alerts", "stored 1\nof 2", "abc-1",
    )  # fmt: skip
    assert told["exception"].endswith("ValueError: no\nnumber")
    assert told["at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [("7f3a.B_2-c", True), ("x" * 65, False), ("a b", False), ("a,b", False), ('"}', False), ("ä", False), ("", False)],
)
def test_a_reply_names_its_request(client: Client, sent: str, is_kept: bool) -> None:
    named = client.get("/healthz", headers={"X-Request-ID": sent}).headers["X-Request-ID"]
    assert (named == sent) is is_kept
    assert request_ids.kept(named.encode())


def test_two_requests_have_two_ids(client: Client) -> None:
    first, second = (client.get("/healthz").headers["X-Request-ID"] for _ in range(2))
    assert first != second


def test_lines_of_a_request_have_its_id(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(keep := WithRequest())
    try:
        client.post("/healthz", headers={"X-Request-ID": "abc-2"})
    finally:
        caplog.handler.removeFilter(keep)
    [line] = [record for record in caplog.records if record.name == "django.request"]
    assert getattr(line, "request_id", "") == "abc-2"


def test_a_task_has_the_id_of_the_request_that_caused_it() -> None:
    token = request_ids.current.set("abc-3")
    celery.send_request_id(headers := {"id": "1"})
    request_ids.current.reset(token)
    celery_app.loader.import_default_modules()
    task = celery_app.tasks["incidents.tasks.correlate_behind"]
    task.push_request(is_eager=False, **headers)
    try:
        celery.take_request_id(task)
        assert request_ids.current.get() == "abc-3"
    finally:
        task.pop_request()
        request_ids.current.set("")
