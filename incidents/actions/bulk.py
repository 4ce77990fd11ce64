"""Bulk actions: an action on each incident of a frozen snapshot, in sets, in the background, and undone as one.

A grouping of many alerts runs in the background too. It is one action among the incidents of its snapshot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from alerts.events import Status
from incidents import announce
from incidents.actions.action import (
    Action,
    ActionResult,
    InvalidTransition,
    action_named,
    perform_on,
    undo_on,
)
from incidents.actions.grouping import Grouping
from incidents.actions.undo import undo as undo_activity
from incidents.models import Activity, BulkAction, Incident, access
from people.models import User

SET_SIZE = 1000  # incidents changed in one transaction; other transactions run after each
SNAPSHOT_LIMIT = 100_000
FORGOTTEN_AFTER = timedelta(days=1)
LARGE = 2000  # alerts; a grouping in an incident with more runs in the background
State = BulkAction.State


def action_in(bulk: BulkAction) -> type[Action] | type[Grouping]:
    """Return the action that a bulk action performs. Raises LookupError for an action that this release does not have."""
    action = action_named(bulk.what)
    if action is None or not issubclass(action, Action | Grouping):
        raise LookupError(f"There is no action {bulk.what!r}.")
    return action


def is_grouping(bulk: BulkAction) -> bool:
    """Return whether this is one action among all its incidents, instead of the same action on each of them."""
    action = action_named(bulk.what)
    return action is not None and issubclass(action, Grouping)


def draft(what: str, incidents: QuerySet[Incident], *, by: User, matching: str = "") -> BulkAction:
    """Freeze the incidents of a question, with the counts that the person sees.

    Raises InvalidTransition where there is no incident, or there are too many.
    """
    rows = list(incidents.order_by("pk").values_list("pk", "status", "sources", "active_count")[: SNAPSHOT_LIMIT + 1])
    if not rows:
        raise InvalidTransition("No incident is chosen. Select at least one, or all that match.")
    if len(rows) > SNAPSHOT_LIMIT:
        raise InvalidTransition(f"More than {SNAPSHOT_LIMIT:,} incidents match. Narrow the feed, and do it in parts.")
    statuses = Counter(status for _, status, _, _ in rows)
    sources = Counter(source for _, _, named, _ in rows for source in named)
    preview = {
        "statuses": [[status, statuses[status]] for status in sorted(Status, reverse=True) if statuses[status]],
        "sources": sources.most_common(),
        "firing": sum(active for *_, active in rows),
        "firing_incidents": sum(bool(active) for *_, active in rows),
    }
    snapshot = [pk for pk, *_ in rows]
    return BulkAction.objects.create(
        what=what, snapshot=snapshot, total=len(snapshot), preview=preview, by=by, matching=matching
    )


def start(bulk: BulkAction, action: Action) -> None:
    """Mark a drafted bulk action as waiting. Raises InvalidTransition where it was started already."""
    _begin(bulk, State.ASKED, State.WAITING, what=action.name, arguments=action.arguments())


def start_undo(bulk: BulkAction, *, by: User) -> None:
    """Mark a finished bulk action for undo. Raises InvalidTransition where it is not finished, or was undone already.

    The undo is the act of the person who undoes, and leaves out the incidents that this person may not act on. A
    grouping is undone as a whole or not at all.
    """
    if is_grouping(bulk) and _has_incident_in(access.closed_to_acting(by), bulk):
        raise InvalidTransition(access.NOT_ALL_YOURS)
    _begin(bulk, State.DONE, State.UNDOING, position=0, undone_by=by)


def start_grouping(grouping: Grouping, *, by: User) -> BulkAction:
    """Store a grouping that is too large to wait for."""
    incidents = grouping.snapshot()
    return BulkAction.objects.create(
        what=grouping.name,
        arguments=grouping.arguments(),
        snapshot=incidents,
        total=len(incidents),
        by=by,
        state=State.WAITING,
    )


def may_see(bulk: BulkAction, user: User) -> bool:
    """Return whether a user may see a bulk action: their own, or one on incidents that are all open to them.

    What nobody confirmed yet is for the person who was asked.
    """
    if bulk.by_id == user.pk or bulk.undone_by_id == user.pk:
        return True
    if bulk.state == State.ASKED:
        return False
    return not _has_incident_in(access.closed_to(user) or (), bulk)


def _has_incident_in(memberships: Collection[int], bulk: BulkAction) -> bool:
    """Return whether a bulk action is about an incident with one of these memberships."""
    named = [*bulk.snapshot, *(pk for name in ("into", "to") if isinstance(pk := bulk.arguments.get(name), int))]
    parts = (named[start : start + SET_SIZE] for start in range(0, len(named) if memberships else 0, SET_SIZE))
    return any(Incident.objects.filter(pk__in=part, membership__in=memberships).exists() for part in parts)


def _begin(bulk: BulkAction, before: BulkAction.State, after: BulkAction.State, **changes: Any) -> None:
    # Two requests may begin the same bulk action at once. The count lets one succeed.
    if not BulkAction.objects.filter(pk=bulk.pk, state=before).update(state=after, **changes):
        raise InvalidTransition("This was begun already, or is not finished yet. Its page says how far it is.")
    bulk.refresh_from_db()


def run(pk: int) -> None:
    """Perform what is left of a bulk action, or of its undo.

    Each set is committed together with the progress, so that a killed worker continues where it stopped.
    """
    while _step(pk):
        announce.announce()
    announce.announce()


def run_those_at_work() -> int:
    """Run what a lost message or a killed worker left unfinished, and return how many those were.

    A question that nobody answered within a day is deleted.
    """
    BulkAction.objects.filter(state=State.ASKED, created_at__lt=timezone.now() - FORGOTTEN_AFTER).delete()
    at_work = BulkAction.objects.filter(state__in=[State.WAITING, State.RUNNING, State.UNDOING])
    pks = list(at_work.values_list("pk", flat=True))
    for pk in pks:
        run(pk)
    return len(pks)


@transaction.atomic
def _step(pk: int) -> bool:
    """Perform or undo one set, and return whether more is left."""
    # Where another worker runs the same bulk action, this one stops.
    bulk = (
        BulkAction.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("by", "undone_by")
        .filter(pk=pk)
        .first()
    )
    if bulk is None or not bulk.is_at_work:
        return False
    is_undo, action = bulk.state == State.UNDOING, action_in(bulk)
    by = bulk.undone_by or bulk.by if is_undo else bulk.by  # an undo that began before an update names nobody
    if by is None:
        return False
    if not is_undo:
        bulk.state = State.RUNNING
    if issubclass(action, Grouping):
        chosen, refused = bulk.snapshot, _run_grouping(bulk, action, by)
        done = 0 if refused else bulk.total
    else:
        chosen = bulk.snapshot[bulk.position : bulk.position + SET_SIZE]
        result = (_undo_set if is_undo else _perform_set)(bulk, action, chosen, by)
        done, refused = len(result.activities), result.refused
    if is_undo:
        _add_reasons(bulk.kept, refused)
    else:
        bulk.done += done
        _add_reasons(bulk.skipped, refused)
    bulk.position += len(chosen)
    if is_over := bulk.position >= bulk.total:
        _finish(bulk)
    bulk.save(
        update_fields=["state", "position", "done", "skipped", "kept", "finished_at", "undone_at", "announced_at"]
    )
    return not is_over


def _perform_set(bulk: BulkAction, action: type[Action], chosen: list[int], by: User) -> ActionResult:
    try:
        prepared = action.from_arguments(bulk.arguments)
    except ObjectDoesNotExist:  # somebody deleted the tag or the user meanwhile
        return ActionResult(refused=dict.fromkeys(chosen, "What it was to be set to is not there any more."))
    return perform_on(prepared, chosen, by=by, bulk=bulk)


def _undo_set(bulk: BulkAction, action: type[Action], chosen: list[int], by: User) -> ActionResult:
    activities = bulk.activities.filter(kind=action.kind, undone_at=None, incident__in=chosen)
    return undo_on(action, activities.values_list("pk", flat=True), by=by, bulk=bulk)


def _run_grouping(bulk: BulkAction, action: type[Grouping], by: User) -> Mapping[int, str]:
    """Perform or undo a grouping, and return the reason by incident where the grouping is refused."""
    try:
        if bulk.state == State.UNDOING:
            undo_activity(bulk.activities.get(part_of=None), by=by)
        else:
            leading = action.from_bulk(bulk).perform(by=by)
            Activity.objects.filter(Q(pk=leading.pk) | Q(part_of=leading)).update(bulk=bulk)
    except InvalidTransition as refusal:
        return dict.fromkeys(bulk.snapshot, str(refusal))
    return {}


def _finish(bulk: BulkAction) -> None:
    now = timezone.now()
    if bulk.state == State.UNDOING:
        bulk.state, bulk.undone_at = State.UNDONE, now
    else:
        bulk.state, bulk.finished_at = State.DONE, now
    bulk.announced_at = None


def _add_reasons(reasons: dict[str, list[int]], refused: Mapping[int, str]) -> None:
    for pk, reason in refused.items():
        reasons.setdefault(reason, []).append(pk)
