"""Trials: drafts and orders of patterns as rules for a replay or a shadow, before people put them in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction

from incidents.models import CorrelationPattern, ReplayRun, SuggestionRun
from incidents.models.replay import Rule
from incidents.patterns import changes
from incidents.patterns.changes import Draft
from incidents.replay import tasks
from people.models import User

RANGES = (1, 3, 7, 14, 30)  # days
LONGEST = timedelta(days=92)  # range of one trial


def with_draft(draft: Draft, pattern: CorrelationPattern | None = None, *, is_suggestion: bool = False) -> list[Rule]:
    """Return the rules in force, with a draft in its future place. `pattern` is the pattern that the draft changes."""
    rules: list[Rule] = [_kept(each) for each in changes.in_order()]
    drafted: Rule = draft.fields | ({"is_suggestion": True} if is_suggestion else {})
    if pattern:
        drafted |= {"pattern": pattern.pk, "seen": pattern.as_of}
        place = next(place for place, rule in enumerate(rules) if rule["pattern"] == pattern.pk)
        rules[place] = drafted
    else:
        rules.append(drafted)
    if not any(each.position for each in changes.in_order()):
        # By window. Among patterns of one window the draft is the newest.
        rules.sort(key=lambda rule: (-rule["time_window"], rule.get("pattern", float("inf"))))
    return rules


def in_other_order(pks: Sequence[int]) -> list[Rule]:
    """Return the rules in force in another order. Patterns that are not named come last."""
    places = {pk: place for place, pk in enumerate(pks)}
    return [_kept(each) for each in sorted(changes.in_order(), key=lambda each: places.get(each.pk, len(places)))]


def _kept(pattern: CorrelationPattern) -> Rule:
    return Draft.of(pattern).fields | {"pattern": pattern.pk, "version": pattern.version}


@transaction.atomic
def replay(rules: list[Rule], *, since: datetime, until: datetime, note: str, by: User) -> ReplayRun:
    """Order a replay of a range of the past by these rules. A worker runs the replay."""
    run = ReplayRun.objects.create(rules=rules, since=since, until=until, note=note, by=by)
    transaction.on_commit(partial(tasks.replay.delay, run.pk), robust=True)
    return run


@transaction.atomic
def search(*, since: datetime, until: datetime, by: User) -> SuggestionRun:
    """Order a search for suggestions in a range of the past. A worker runs the search."""
    run = SuggestionRun.objects.create(since=since, until=until, by=by)
    transaction.on_commit(partial(tasks.suggest.delay, run.pk), robust=True)
    return run


# --- putting a trial in force


@dataclass(frozen=True, slots=True)
class Pending:
    """The difference between the patterns in force and the rules of a trial."""

    new: tuple[Draft, ...]
    edited: tuple[tuple[CorrelationPattern, Draft, str], ...]  # with `as_of` of the pattern that the draft began with
    order: tuple[CorrelationPattern, ...]  # the new order; empty for no change

    def __bool__(self) -> bool:
        return bool(self.new or self.edited or self.order)


def pending(rules: Sequence[Rule]) -> Pending:
    """Return the difference that a trial would make. The difference is empty once the rules are in force."""
    present = {each.pk: each for each in changes.in_order()}
    new, edited = [], []
    for rule in rules:
        draft, pattern = _draft(rule), present.get(rule.get("pattern", 0))
        if "version" in rule:
            continue
        if pattern and Draft.of(pattern) != draft:
            edited.append((pattern, draft, rule.get("seen", pattern.as_of)))
        elif not pattern and draft not in map(Draft.of, present.values()):
            new.append(draft)
    is_only_order = not new and not edited and all("version" in rule for rule in rules)
    wanted = [present[rule["pattern"]] for rule in rules if rule.get("pattern") in present]
    in_order = [each for each in present.values() if each in wanted]
    return Pending(tuple(new), tuple(edited), tuple(wanted) if is_only_order and wanted != in_order else ())


@transaction.atomic
def enable(rules: Sequence[Rule], *, by: User) -> list[CorrelationPattern]:
    """Put the rules of a trial in force. Return the changed patterns.

    Raise EditedMeanwhile where a pattern was changed since the draft began.
    """
    left = pending(rules)
    suggested = {_draft(rule) for rule in rules if rule.get("is_suggestion")}
    changed = [changes.create(draft, by=by, is_suggestion=draft in suggested) for draft in left.new]
    changed += [changes.edit(pattern, draft, by=by, seen=seen) for pattern, draft, seen in left.edited]
    if left.order:
        present = {each.pk: each for each in changes.in_order()}
        wanted = [present.pop(rule["pattern"]) for rule in rules if rule.get("pattern") in present]
        changes.reorder([each.uuid for each in (*wanted, *present.values())], by=by)
    return changed


def _draft(rule: Rule) -> Draft:
    fields: dict[str, Any] = {name: rule[name] for name in changes.FIELDS if name in rule}
    return Draft(**fields | {"tags": tuple(rule["tags"])})
