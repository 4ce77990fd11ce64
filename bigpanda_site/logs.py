"""What a log line must not say."""

from __future__ import annotations

import logging
import re

_QUERY = re.compile(r"\?[^\s\"']*")


class WithoutQueryStrings(logging.Filter):
    """Cuts query strings out of addresses: senders that cannot set headers put their secrets there (bigpanda.md §1.2)."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "access_token" in message or "app_key" in message:
            record.msg, record.args = _QUERY.sub("?…", message), None
        return True
