"""Which values of tags are links. Everything that is not plainly an http or https URL stays text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

_validate = URLValidator(schemes=["http", "https"])
_INTRANET_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_NEVER_IN_A_URL = frozenset('"<>`\\')


@dataclass(frozen=True, slots=True)
class Link:
    """A tag's URL under the tag's name."""

    name: str
    url: str


def is_link(value: str) -> bool:
    """Whether a browser may be sent there: http or https, a real host, nobody's credentials, and no character that hides where it leads.

    A host of one label ("http://grafana/d/7") is a link too, since monitoring lives on intranets; it is judged as `localhost` would be.
    """
    if any(not char.isprintable() or char.isspace() or char in _NEVER_IN_A_URL for char in value):
        return False
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port  # asking for an impossible port raises
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            return False
        if _INTRANET_NAME.fullmatch(host):
            value = parts._replace(netloc=parts.netloc.lower().replace(host, "localhost", 1)).geturl()
        _validate(value)
    except (ValueError, ValidationError):
        return False
    return True


def links_of(tags: Mapping[str, str | list[str]]) -> list[Link]:
    """The links among tags; the elements of a multi-value tag are told apart by a number."""
    found = []
    for name, value in sorted(tags.items()):
        urls = [element for element in _elements(value) if is_link(element)]
        found += [Link(name if len(urls) == 1 else f"{name} {number}", url) for number, url in enumerate(urls, 1)]
    return found


def _elements(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
