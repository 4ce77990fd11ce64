"""Export and import of patterns as JSON, in the shape of the API (docs/wire-contract.md §4.1).

An import shows what a file would change before anything is written, and writes all patterns of the file or none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from incidents.models import CorrelationPattern
from incidents.patterns import changes
from incidents.patterns.changes import Draft, PatternRejected
from people.models import User

IMPORT_LIMIT = 500  # patterns
WRITTEN_BY_US = (
    "id",
    "correlation_id",
    "version",
    "execution_order",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "suggested_at",
)


def as_data(pattern: CorrelationPattern, place: int) -> dict[str, Any]:
    """Return a pattern as JSON. `place` is the place in the order, from 1."""
    return {
        "id": str(pattern.uuid),
        "correlation_id": str(pattern.uuid),
        "active": pattern.active,
        "tags": pattern.tags,
        "time_window": pattern.time_window,
        "filter": pattern.filter,
        "cross_source": pattern.cross_source,
        "note": pattern.note,
        "version": pattern.version,
        "execution_order": place,
        "created_at": int(pattern.created_at.timestamp()),
        "created_by": _user(pattern.created_by_id),
        "updated_at": int(pattern.updated_at.timestamp()),
        "updated_by": _user(pattern.updated_by_id),
        "suggested_at": int(pattern.suggested_at.timestamp()) if pattern.suggested_at else None,
    }


def _user(pk: int | None) -> str | None:
    return None if pk is None else str(pk)


def all_as_data() -> list[dict[str, Any]]:
    """Return all patterns as JSON, in order."""
    return [as_data(pattern, place) for place, pattern in enumerate(changes.in_order(), 1)]


# --- import


@dataclass(frozen=True, slots=True)
class ImportItem:
    """The change that one pattern of a file would make."""

    index: int
    draft: Draft
    uuid: UUID | None
    pattern: CorrelationPattern | None  # the stored pattern; None for a new pattern

    @property
    def before(self) -> Draft | None:
        return Draft.of(self.pattern) if self.pattern and self.pattern.deleted_at is None else None

    @property
    def kind(self) -> str:
        """The kind of change: new, restored, same or changed."""
        if self.pattern is None:
            return "new"
        if self.pattern.deleted_at:
            return "restored"
        return "same" if self.draft == self.before else "changed"


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """The changes that a file would make, or its errors by place in the file, from 0."""

    items: tuple[ImportItem, ...] = ()
    errors: Mapping[int, str] = field(default_factory=dict)
    order: tuple[UUID, ...] = ()  # the new order, where the file names every pattern; empty for no change

    @property
    def changes_something(self) -> bool:
        return bool(self.order) or any(item.kind != "same" for item in self.items)


class FileRejected(Exception):
    """A text that is not a list of patterns."""


def read_file(text: str) -> list[Any]:
    """Return the objects of a file. Raise FileRejected."""
    try:
        sent = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise FileRejected(f"This is not JSON: {error}") from error
    if not isinstance(sent, list):
        raise FileRejected("Expected a list of patterns: [{…}, {…}].")
    if not 1 <= len(sent) <= IMPORT_LIMIT:
        raise FileRejected(f"Expected 1 to {IMPORT_LIMIT} patterns.")
    return sent


def plan(sent: Iterable[Any]) -> ImportPlan:
    """Check every pattern of a file. Write nothing."""
    items: list[ImportItem] = []
    errors: dict[int, str] = {}
    known = {pattern.uuid: pattern for pattern in CorrelationPattern.objects.all()}
    taken: set[UUID] = set()
    places: dict[UUID, int] = {}
    for index, each in enumerate(sent):
        try:
            uuid = _uuid(each)
            if uuid in taken:
                raise PatternRejected({"id": "is named twice."})
            item = ImportItem(index, changes.read(known_fields(each)), uuid, known.get(uuid) if uuid else None)
        except PatternRejected as rejection:
            errors[index] = str(rejection)
            continue
        items.append(item)
        if uuid:
            taken.add(uuid)
            places[uuid] = each["execution_order"] if isinstance(each.get("execution_order"), int) else index
    if errors:
        return ImportPlan(errors=errors)
    return ImportPlan(tuple(items), order=_order(items, places))


def _uuid(sent: Any) -> UUID | None:
    if not isinstance(sent, dict):
        raise PatternRejected({"pattern": "must be an object."})
    written = sent.get("id") or sent.get("correlation_id")
    try:
        return UUID(str(written)) if written else None
    except ValueError:
        raise PatternRejected({"id": "must be a UUID, or be left out."}) from None


def known_fields(sent: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was sent. Raise PatternRejected for a property that patterns do not have."""
    unknown = sent.keys() - {*changes.FIELDS, *WRITTEN_BY_US}
    if unknown:
        raise PatternRejected({min(unknown): "is no property of a pattern."})
    return sent


def _order(items: list[ImportItem], places: Mapping[UUID, int]) -> tuple[UUID, ...]:
    now = [pattern.uuid for pattern in changes.in_order()]
    wanted = tuple(sorted(places, key=lambda uuid: places[uuid]))
    is_whole = len(places) == len(items) and set(now) <= set(wanted)
    return wanted if is_whole and list(wanted) != now else ()


@transaction.atomic
def carry_out(plan: ImportPlan, *, by: User) -> list[CorrelationPattern]:
    """Write the changes of a plan without errors, all of them or none. Return the patterns of the file."""
    done = []
    for item in plan.items:
        if item.pattern is None:
            done.append(changes.create(item.draft, by=by, uuid=item.uuid))
            continue
        if item.pattern.deleted_at:
            changes.restore(item.pattern, by=by)
        done.append(changes.edit(item.pattern, item.draft, by=by))
    if plan.order:
        changes.reorder(plan.order, by=by)
    return done
