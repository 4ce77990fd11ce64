"""The one shape every source yields, and the identity of what it speaks of."""

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
    """What an alert says of its object, in order of severity; active is everything but OK (docs/wire-contract.md §3.8)."""

    OK = 0, "ok"
    ACKNOWLEDGED = 1, "acknowledged"
    UNKNOWN = 2, "unknown"
    WARNING = 3, "warning"
    CRITICAL = 4, "critical"


def encode_tags(tags: Tags) -> str:
    """As JSON: the same tags are the same text, whatever the order they were sent in."""
    pairs = [
        f"{_quoted(name)}:{_quoted(value)}"
        if type(value) is str
        else f"{_quoted(name)}:[{','.join(map(_quoted, value))}]"
        for name, value in sorted(tags.items())
    ]
    return "{" + ",".join(pairs) + "}"


def fingerprint(text: str) -> str:
    """128 bits that stand for a text, in hexadecimal."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


class Note(NamedTuple):
    """One thing that was repaired in an event: the field, and what was done to it, in words."""

    field: str
    rule: str

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"


class EventRejected(Exception):
    """An event that cannot be taken. `field` is the wire name it broke on, `rule` says what is expected there."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field, self.rule = field, rule


class IncomingEvent(NamedTuple):
    """One inbound message, normalised. A source makes it by `of`, which adds `tags_text` and `content`.

    `tags` holds every attribute of the payload that is not structure (status, timestamp, property names, keys): text, or a list of texts.
    `occurred_at` is None when the sender gave no time; the time of receipt then stands for it.
    `incident_identifier` is the sender's own identifier, which overrides primary and secondary property (docs/wire-contract.md §3.1).
    `content` tells it from other events of its alert, its time apart: two events with the same content say the same.
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
        """Whether it says again what an alert's newest event, of that content and time, said (docs/wire-contract.md §3.2)."""
        return self.content == content and (self.occurred_at is None or self.occurred_at == at)

    @property
    def primary_value(self) -> str:
        return shown(self.tags.get(self.primary_property, ""))

    @property
    def secondary_value(self) -> str:
        return shown(self.tags.get(self.secondary_property, ""))

    @property
    def identifier(self) -> str:
        """The readable name of what this event speaks of."""
        if self.incident_identifier:
            return self.incident_identifier
        parts = f"{self.primary_property}={self.primary_value}"
        return f"{parts} {self.secondary_property}={self.secondary_value}" if self.secondary_property else parts

    def identity(self, app_key_pk: int) -> str:
        """What tells its alert from all others: the App Key, and the values as sent, trimmed and case-sensitive (docs/how-it-works.md §2.1)."""
        if self.incident_identifier:
            return fingerprint(f"{app_key_pk}\0{self.incident_identifier}")
        values = self.primary_value, self.secondary_value
        return fingerprint(
            f"{app_key_pk}\0{self.primary_property}\0{values[0]}\0{self.secondary_property}\0{values[1]}"
        )


def shown(value: str | list[str]) -> str:
    """A tag's value as one line of text; a multi-value tag is joined by a pipe (docs/wire-contract.md §2.3)."""
    return value if isinstance(value, str) else " | ".join(value)
