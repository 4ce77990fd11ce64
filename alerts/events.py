"""Events as every source returns them, and the identity of their alerts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple, Self

from django.db import models

Tags = dict[str, str | list[str]]

_quoted: Callable[[str], str] = json.encoder.encode_basestring


class Status(models.IntegerChoices):
    """Statuses in order of severity. Every status but OK is active (docs/wire-contract.md §3.8)."""

    OK = 0, "ok"
    ACKNOWLEDGED = 1, "acknowledged"
    UNKNOWN = 2, "unknown"
    WARNING = 3, "warning"
    CRITICAL = 4, "critical"


def encode_tags(tags: Tags) -> str:
    """Return tags as JSON. The same tags in another order are the same text."""
    pairs = [
        f"{_quoted(name)}:{_quoted(value)}"
        if type(value) is str
        else f"{_quoted(name)}:[{','.join(map(_quoted, value))}]"
        for name, value in sorted(tags.items())
    ]
    return "{" + ",".join(pairs) + "}"


def fingerprint(text: str) -> str:
    """Return a hash of 128 bits in hexadecimal."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


class Note(NamedTuple):
    """A repair of an event: the field, and the rule that changed it."""

    field: str
    rule: str

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"


class EventRejected(Exception):
    """An event that is rejected. `field` is the name in the payload, `rule` says what is expected."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(field, rule)
        self.field, self.rule = field, rule

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"


class IncomingEvent(NamedTuple):
    """An inbound message in normalized form. `of` makes one and computes `tags_text` and `content`.

    `tags` are all fields of the payload except status, timestamp, keys and names of properties.
    `occurred_at` is None for an event without a timestamp.
    `incident_identifier` overrides primary and secondary property (docs/wire-contract.md §3.1).
    `content` is equal for events that differ only in their times.
    """

    status: int
    tags: Tags
    tags_text: str  # as JSON
    content: str
    primary_property: str
    secondary_property: str
    incident_identifier: str
    occurred_at: datetime | None
    notes: tuple[Note, ...]

    @classmethod
    def of(
        cls,
        *,
        status: int,
        tags: Tags,
        primary_property: str,
        secondary_property: str = "",
        incident_identifier: str = "",
        occurred_at: datetime | None = None,
        notes: tuple[Note, ...] = (),
    ) -> Self:
        text = encode_tags(tags)
        content = fingerprint(f"{int(status)}\0{primary_property}\0{secondary_property}\0{text}")
        return cls(
            int(status),
            tags,
            text,
            content,
            primary_property,
            secondary_property,
            incident_identifier,
            occurred_at,
            notes,
        )

    def repeats(self, content: str | None, at: datetime) -> bool:
        """Return whether the event repeats another one with this content and time (docs/wire-contract.md §3.2)."""
        return self.content == content and (self.occurred_at is None or self.occurred_at == at)

    @property
    def primary_value(self) -> str:
        return shown(self.tags.get(self.primary_property, ""))

    @property
    def secondary_value(self) -> str:
        return shown(self.tags.get(self.secondary_property, ""))

    @property
    def identifier(self) -> str:
        """The readable name of the alert."""
        if self.incident_identifier:
            return self.incident_identifier
        parts = f"{self.primary_property}={self.primary_value}"
        return f"{parts} {self.secondary_property}={self.secondary_value}" if self.secondary_property else parts

    def identity(self, app_key_pk: int) -> str:
        """Return the identity of the alert: a hash of App Key and identifier (docs/how-it-works.md §2.1)."""
        if self.incident_identifier:
            return fingerprint(f"{app_key_pk}\0{self.incident_identifier}")
        values = self.primary_value, self.secondary_value
        return fingerprint(
            f"{app_key_pk}\0{self.primary_property}\0{values[0]}\0{self.secondary_property}\0{values[1]}"
        )


def shown(value: str | list[str]) -> str:
    """Return the value of a tag as one text, several values joined by a pipe (docs/wire-contract.md §2.3)."""
    return value if isinstance(value, str) else " | ".join(value)
