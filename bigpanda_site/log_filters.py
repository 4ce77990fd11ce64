"""What a log line must not say."""

from __future__ import annotations

import logging
import re

_QUERY = re.compile(r"\?[^\s\"']*")
_KEY_IN_PATH = re.compile(r"(/configurations/alerts/oim/)[^\s\"'/?]+")


class WithoutQueryStrings(logging.Filter):
    """Cuts query strings out of addresses: senders that cannot set headers put their secrets there (docs/wire-contract.md §2.2).

    And the App Key out of the addresses of mappings, where BigPanda has it in the path (docs/wire-contract.md §9.2).
    """

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "access_token" in message or "app_key" in message:
            record.msg, record.args = _QUERY.sub("?…", message), None
        elif "/configurations/" in message:
            record.msg, record.args = _KEY_IN_PATH.sub(r"\1…", message), None
        return True
