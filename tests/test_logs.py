"""Secrets never reach a log, not even those that senders put into the URL."""

from __future__ import annotations

import logging

import pytest

from bigpanda_site.log_filters import WithoutQueryStrings


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
        ("Is this so? Yes.", "Is this so? Yes."),
    ],
)
def test_a_query_string_with_a_secret_is_cut_out_of_every_line(line: str, shown: str) -> None:
    record = logging.LogRecord("django.server", logging.INFO, "", 0, "%s", (line,), None)
    assert WithoutQueryStrings().filter(record)
    assert record.getMessage() == shown
