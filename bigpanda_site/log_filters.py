"""Filters that keep secrets out of log lines."""

from __future__ import annotations

import logging
import re

_QUERY = re.compile(r"\?[^\s\"']*")
_KEY_IN_PATH = re.compile(r"(/configurations/alerts/oim/)[^\s\"'/?]+")


class WithoutQueryStrings(logging.Filter):
    """Filter that removes query strings and App Keys from addresses.

    Senders that cannot set headers put their secrets in the query string (docs/wire-contract.md §2.2). The address of a
    mapping has the App Key in its path (docs/wire-contract.md §9.2).
    """

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "access_token" in message or "app_key" in message:
            record.msg, record.args = _QUERY.sub("?…", message), None
        elif "/configurations/" in message:
            record.msg, record.args = _KEY_IN_PATH.sub(r"\1…", message), None
        return True
