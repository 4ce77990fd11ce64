"""Log lines: without secrets, with the id of the request, as text or as JSON."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

from bigpanda_site import request_ids

QUERY = re.compile(r"\?[^\s\"']+")
KEY_IN_PATH = re.compile(r"(/configurations/alerts/oim/|/welcome/)[^\s\"'/?]+")


class WithoutQueryStrings(logging.Filter):
    """Filter that removes query strings, App Keys and the secrets of one-time links from addresses.

    Senders that cannot set headers put their secrets in the query string (docs/wire-contract.md §2.2). The address of a
    mapping has the App Key in its path (docs/wire-contract.md §9.2).
    """

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "access_token" in message or "app_key" in message:
            record.msg, record.args = QUERY.sub("?…", message), None
        elif "/configurations/" in message or "/welcome/" in message:
            record.msg, record.args = KEY_IN_PATH.sub(r"\1…", message), None
        return True


class WithRequest(logging.Filter):
    """Filter that adds the id of the request that a line is about."""

    def filter(self, record: logging.LogRecord) -> bool:
        identifier = request_ids.current.get()
        record.request_id, record.request = identifier, f" [{identifier}]" if identifier else ""
        return True


class JsonLine(logging.Formatter):
    """A line as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if identifier := getattr(record, "request_id", ""):
            line["request_id"] = identifier
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
