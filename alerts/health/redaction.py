"""Samples of request bodies for people: without secrets, and shortened."""

from __future__ import annotations

import json
import re
import zlib
from contextlib import suppress
from typing import Any

from alerts.sources.bigpanda import NOT_TEXT
from people.audit import SECRET

LIMIT = 16 * 1024  # characters
GZIP = b"\x1f\x8b"
HIDDEN = "[REDACTED]"
_NAMES = re.compile(
    rf"{SECRET.pattern}|(^|_)((routing|service|genie|private|signing)_?key|pass(_?w(or)?d)?|pwd|cookies?|signature)$",
    re.IGNORECASE,
)
_IN_TEXT = re.compile(
    r"(?i)((?:access_token|app_key|routing_key|api_key|apikey|token|password|passwd|secret|signature)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}]+"
    r"|((?:bearer|basic|geniekey)\s+)[A-Za-z0-9+/=._:-]{8,}"
    r"|(://[^/\s:@]*:)[^/\s@]+(?=@)"
)


def redacted(body: bytes, *, limit: int = LIMIT) -> str:
    """Return a body as text without secrets, with indents if it is JSON."""
    if body.startswith(GZIP):
        with suppress(zlib.error):
            body = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(body, 8 * LIMIT)
    try:
        text = json.dumps(_without(json.loads(body)), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
    text = NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", hide_secrets(text))
    return text if len(text) <= limit else f"{text[:limit]}\n… {len(text) - limit:,} characters more"


def _without(value: Any) -> Any:
    match value:
        case dict():
            return {
                name: HIDDEN if _NAMES.search(name.replace("-", "_")) and each is not None else _without(each)
                for name, each in value.items()
            }
        case list():
            return [_without(each) for each in value]
        case _:
            return value


def hide_secrets(text: str) -> str:
    """Return a text without what stands where secrets stand, such as the password of an address."""
    return _IN_TEXT.sub(lambda found: f"{found[1] or found[2] or found[3]}{HIDDEN}", text)
