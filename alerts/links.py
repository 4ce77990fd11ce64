"""Links in values of tags. Only a plain http or https URL is a link; every other value stays text."""

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
    """The URL of a tag, with the name of the tag."""

    name: str
    url: str


def is_link(value: str) -> bool:
    """Return whether a value is a safe URL: http or https, a valid host, no credentials, no misleading character.

    A host of one label ("http://grafana/d/7") is valid, because monitoring runs on intranets. It is validated as
    `localhost`.
    """
    if any(not char.isprintable() or char.isspace() or char in _NEVER_IN_A_URL for char in value):
        return False
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port  # an impossible port raises ValueError
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            return False
        if _INTRANET_NAME.fullmatch(host):
            value = parts._replace(netloc=parts.netloc.lower().replace(host, "localhost", 1)).geturl()
        _validate(value)
    except (ValueError, ValidationError):
        return False
    return True


def links_of(tags: Mapping[str, str | list[str]]) -> list[Link]:
    """Return the links among tags. Several links of one tag are numbered."""
    found = []
    for name, value in sorted(tags.items()):
        urls = [element for element in _elements(value) if is_link(element)]
        found += [Link(name if len(urls) == 1 else f"{name} {number}", url) for number, url in enumerate(urls, 1)]
    return found


def _elements(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
