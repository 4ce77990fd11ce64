"""Trying before switching on: drafts and orders of patterns as rules for a replay or a shadow, and putting them in force afterwards."""

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
LONGEST = timedelta(days=92)


def with_draft(draft: Draft, pattern: CorrelationPattern | None = None, *, is_suggestion: bool = False) -> list[Rule]:
    """The patterns that there are, with a draft in the place that it would have."""
    rules: list[Rule] = [_kept(each) for each in changes.in_order()]
    tried: Rule = draft.fields | ({"is_suggestion": True} if is_suggestion else {})
    if pattern:
        tried |= {"pattern": pattern.pk, "seen": pattern.as_of}
        place = next(place for place, rule in enumerate(rules) if rule["pattern"] == pattern.pk)
        rules[place] = tried
    else:
        rules.append(tried)
    if not any(each.position for each in changes.in_order()):
        # By window, and those of one window from the oldest to the new one.
        rules.sort(key=lambda rule: (-rule["time_window"], rule.get("pattern", float("inf"))))
    return rules


def in_other_order(pks: Sequence[int]) -> list[Rule]:
    """The patterns that there are, asked in this order; who is not named comes last."""
    places = {pk: place for place, pk in enumerate(pks)}
    return [_kept(each) for each in sorted(changes.in_order(), key=lambda each: places.get(each.pk, len(places)))]


def _kept(pattern: CorrelationPattern) -> Rule:
    return Draft.of(pattern).fields | {"pattern": pattern.pk, "version": pattern.version}


@transaction.atomic
def replay(rules: list[Rule], *, since: datetime, until: datetime, note: str, by: User) -> ReplayRun:
    """Ask for a replay of a range of the past by these rules; a worker carries it out."""
    run = ReplayRun.objects.create(rules=rules, since=since, until=until, note=note, by=by)
    transaction.on_commit(partial(tasks.replay.delay, run.pk), robust=True)
    return run


@transaction.atomic
def search(*, since: datetime, until: datetime, by: User) -> SuggestionRun:
    """Ask for suggestions from a range of the past; a worker looks for them."""
    run = SuggestionRun.objects.create(since=since, until=until, by=by)
    transaction.on_commit(partial(tasks.suggest.delay, run.pk), robust=True)
    return run


# --- what it would change of the patterns


@dataclass(frozen=True, slots=True)
class Pending:
    """What stands between the patterns in force and the rules that were tried."""

    new: tuple[Draft, ...]
    edited: tuple[tuple[CorrelationPattern, Draft, str], ...]  # with what it was drafted from
    order: tuple[CorrelationPattern, ...]  # what would be asked in which order, where that differs

    def __bool__(self) -> bool:
        return bool(self.new or self.edited or self.order)


def pending(rules: Sequence[Rule]) -> Pending:
    """What is left to be put in force; nothing once it has been."""
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
    """Put what was tried in force; returns the patterns that it changed. Raises EditedMeanwhile where one is no longer what it was drafted from."""
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
