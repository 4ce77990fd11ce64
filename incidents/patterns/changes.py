"""Changes of correlation patterns, for their pages, the API and imports.

A change of the rule makes a new version. An incident keeps the version that opened it, so a change concerns new
incidents only (docs/wire-contract.md §4.2). Each change writes a row of the pattern's history and an entry of the
audit log in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from bpql import BpqlError, parse
from incidents.models import CorrelationPattern, PatternVersion
from incidents.models.pattern import rule_in_words
from people import audit
from people.models import AuditEntry, User

TAGS_LIMIT, TAG_LENGTH = 5, 100
WINDOW = range(1, 4320 + 1)  # minutes
NOTE_LENGTH = 2_000
Change = PatternVersion.Change
_AUDITED = {
    Change.CREATED: AuditEntry.Change.CREATED,
    Change.EDITED: AuditEntry.Change.CHANGED,
    Change.ACTIVATED: AuditEntry.Change.ACTIVATED,
    Change.DEACTIVATED: AuditEntry.Change.DEACTIVATED,
    Change.DELETED: AuditEntry.Change.DELETED,
    Change.RESTORED: AuditEntry.Change.RESTORED,
}


class PatternRejected(Exception):
    """Values that no pattern can have.

    `errors` has the message for each wrong field. `position` is the place of the error in the filter, from 0.
    """

    def __init__(self, errors: Mapping[str, str], position: int | None = None) -> None:
        self.errors, self.position = dict(errors), position
        super().__init__("; ".join(f"{name}: {rule}" for name, rule in self.told.items()))

    @property
    def told(self) -> dict[str, str]:
        """The errors for a reader who does not see the filter, with the place of the error in the filter, from 1."""
        at = "" if self.position is None else f" (at character {self.position + 1})"
        return {name: f"{rule}{at if name == 'filter' else ''}" for name, rule in self.errors.items()}


class EditedMeanwhile(Exception):
    """A change of a pattern that another person has changed meanwhile. The message names that person."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The properties of a pattern that people decide, as `read` has checked them."""

    tags: tuple[str, ...]
    time_window: int  # minutes
    filter: str = ""
    cross_source: bool = True
    active: bool = True
    note: str = ""

    @classmethod
    def of(cls, pattern: CorrelationPattern | PatternVersion) -> Self:
        return cls(
            tuple(pattern.tags), pattern.time_window, pattern.filter, pattern.cross_source, pattern.active, pattern.note
        )

    @property
    def rule(self) -> Draft:
        """The properties that correlate alerts while the pattern is active: all but the note and `active` itself."""
        return replace(self, note="", active=True)

    @property
    def fields(self) -> dict[str, Any]:
        return asdict(self) | {"tags": list(self.tags)}

    def __str__(self) -> str:
        return rule_in_words(self.tags, self.time_window)


def read(data: Mapping[str, Any], base: Draft | None = None) -> Draft:
    """Check a pattern as sent. Missing properties are those of `base`.

    Raise PatternRejected, which names every wrong field.
    """
    errors: dict[str, str] = {}
    values: dict[str, Any] = base.fields if base else {}
    position = None
    for name, check in _CHECKS.items():
        if name not in data:
            continue
        try:
            values[name] = check(data[name])
        except BpqlError as error:
            errors[name], position = error.message, error.position
        except ValueError as error:
            errors[name] = str(error)
    for name in ("tags", "time_window"):
        if name not in values and name not in errors:
            errors[name] = "is required."
    if errors:
        raise PatternRejected(errors, position)
    return Draft(**values | {"tags": tuple(values["tags"])})


def _tags(sent: object) -> list[str]:
    if not isinstance(sent, list | tuple) or not all(isinstance(each, str) for each in sent):
        raise ValueError("must be a list of tag names.")
    names = [name.strip() for name in sent]
    if not 1 <= len(names) <= TAGS_LIMIT:
        raise ValueError(f"A pattern compares 1 to {TAGS_LIMIT} tags.")
    if not all(names):
        raise ValueError("A tag's name cannot be empty.")
    if any(len(name) > TAG_LENGTH for name in names):
        raise ValueError(f"A tag's name can have {TAG_LENGTH} characters.")
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise ValueError(f"“{twice}” is named twice.")
    return names


def _time_window(sent: object) -> int:
    if not isinstance(sent, int) or isinstance(sent, bool) or sent not in WINDOW:
        raise ValueError(f"must be a whole number of minutes from {WINDOW[0]} to {WINDOW[-1]:,} (72 hours).")
    return sent


def _filter(sent: object) -> str:
    """Check a BPQL query, as text or in the JSON object form. Return the text."""
    if isinstance(sent, dict):
        query = parse(sent)
        sent = str(query)
    if not isinstance(sent, str):
        raise ValueError("must be a BPQL query, as text or as an object.")
    parse(sent).require_alerts()
    return sent.strip()


def _yes_or_no(sent: object) -> bool:
    if not isinstance(sent, bool):
        raise ValueError("must be true or false.")
    return sent


def _note(sent: object) -> str:
    if not isinstance(sent, str) or len(sent) > NOTE_LENGTH:
        raise ValueError(f"must be a text of up to {NOTE_LENGTH:,} characters.")
    return sent.strip().replace("\x00", "")


_CHECKS = {
    "tags": _tags,
    "time_window": _time_window,
    "filter": _filter,
    "cross_source": _yes_or_no,
    "active": _yes_or_no,
    "note": _note,
}


FIELDS = tuple(_CHECKS)


# --- changes


@transaction.atomic
def create(draft: Draft, *, by: User, is_suggestion: bool = False, uuid: UUID | None = None) -> CorrelationPattern:
    """Create a pattern. The pattern comes last where people have set an order, else in the order of windows."""
    last = CorrelationPattern.objects.present().aggregate(last=Max("position"))["last"] or 0
    now = timezone.now()
    pattern = CorrelationPattern.objects.create(
        **draft.fields,
        uuid=uuid or uuid4(),
        position=last + 1 if last else 0,
        created_by=by,
        updated_by=by,
        suggested_at=now if is_suggestion else None,
    )
    _record(pattern, Change.CREATED, {}, by)
    return pattern


@transaction.atomic
def edit(pattern: CorrelationPattern, draft: Draft, *, by: User, seen: str | None = None) -> CorrelationPattern:
    """Give a pattern other properties. The version changes only with the rule.

    Raise EditedMeanwhile where the pattern was changed since `seen`, the value of `as_of` that the person has read.
    """
    pattern = _locked(pattern)
    if seen is not None and pattern.as_of != seen:
        who = pattern.updated_by.shown_name if pattern.updated_by else "Somebody"
        raise EditedMeanwhile(f"{who} has changed this pattern meanwhile. Look at it again, then make your change.")
    before = Draft.of(pattern)
    if draft == before:
        return pattern
    change = Change.EDITED
    if replace(draft, active=before.active) == before:
        change = Change.ACTIVATED if draft.active else Change.DEACTIVATED
    for name, value in draft.fields.items():
        setattr(pattern, name, value)
    if draft.rule != before.rule:
        pattern.version += 1
    _save(pattern, change, before.fields, by)
    return pattern


def set_active(pattern: CorrelationPattern, active: bool, *, by: User) -> CorrelationPattern:
    """Switch a pattern on or off. The incidents of the pattern stay as they are."""
    return edit(pattern, replace(Draft.of(pattern), active=active), by=by)


@transaction.atomic
def delete(pattern: CorrelationPattern, *, by: User) -> None:
    """Delete a pattern. The pattern stays stored for its incidents, and so that people can restore it."""
    pattern = _locked(pattern)
    if pattern.deleted_at is None:
        pattern.deleted_at = timezone.now()
        _save(pattern, Change.DELETED, Draft.of(pattern).fields, by)


@transaction.atomic
def restore(pattern: CorrelationPattern, *, by: User) -> None:
    """Undo a deletion. The pattern has its old properties and its old place."""
    pattern = _locked(pattern)
    if pattern.deleted_at is not None:
        pattern.deleted_at = None
        _save(pattern, Change.RESTORED, {}, by)


def _locked(pattern: CorrelationPattern) -> CorrelationPattern:
    # Two people may change a pattern at once. The lock makes the second person wait for the first.
    return CorrelationPattern.objects.select_for_update(of=("self",)).select_related("updated_by").get(pk=pattern.pk)


def _save(pattern: CorrelationPattern, change: PatternVersion.Change, before: Mapping[str, Any], by: User) -> None:
    pattern.updated_at, pattern.updated_by = timezone.now(), by
    pattern.save()
    _record(pattern, change, before, by)


def _record(pattern: CorrelationPattern, change: PatternVersion.Change, before: Mapping[str, Any], by: User) -> None:
    now = {} if change == Change.DELETED else Draft.of(pattern).fields
    kept = Draft.of(pattern).fields
    PatternVersion.objects.create(
        pattern=pattern, version=pattern.version, change=change, at=pattern.updated_at, by=by, **kept
    )
    audit.record(by, pattern, _AUDITED[change], old=before, new=now)


# --- order


def in_order() -> list[CorrelationPattern]:
    """Return the patterns in the order in which correlation applies them."""
    return list(CorrelationPattern.objects.present().select_related("created_by", "updated_by"))


@transaction.atomic
def reorder(uuids: Sequence[UUID], *, by: User) -> None:
    """Set the order of the patterns. Raise PatternRejected unless each pattern is named once."""
    patterns = {pattern.uuid: pattern for pattern in CorrelationPattern.objects.present().select_for_update()}
    if len(set(uuids)) != len(uuids) or set(uuids) != set(patterns):
        raise PatternRejected({"execution_order": f"must name each of the {len(patterns)} patterns once."})
    _set_positions([patterns[uuid] for uuid in uuids], range(1, len(uuids) + 1), by=by)


@transaction.atomic
def reset_order(*, by: User) -> None:
    """Order the patterns by window again, the longest first."""
    patterns = list(CorrelationPattern.objects.present().select_for_update())
    patterns.sort(key=lambda pattern: (-pattern.time_window, pattern.pk))
    _set_positions(patterns, [0] * len(patterns), by=by)


def move(pattern: CorrelationPattern, steps: int, *, by: User) -> None:
    """Move a pattern earlier (negative) or later in the order. A pattern at an end stays there."""
    uuids = [each.uuid for each in in_order()]
    place = uuids.index(pattern.uuid)
    uuids.insert(max(0, place + steps), uuids.pop(place))
    reorder(uuids, by=by)


def _set_positions(patterns: Sequence[CorrelationPattern], positions: Sequence[int], *, by: User) -> None:
    before = in_order()
    for pattern, position in zip(patterns, positions, strict=True):
        pattern.position = position
    CorrelationPattern.objects.bulk_update(patterns, ["position"])
    moved = next((new for old, new in zip(before, patterns, strict=True) if old != new), None)
    if moved:
        orders = {"old": before, "new": patterns}
        names = {when: {"execution_order": [str(each) for each in order]} for when, order in orders.items()}
        audit.record(by, moved, AuditEntry.Change.REORDERED, **names)
