"""One action on thousands of incidents: on a frozen snapshot, in sets, in the background, with progress; undone as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from alerts.events import Status
from incidents import announce
from incidents.actions.action import Action, InvalidTransition, Outcome, perform_on, undo_on
from incidents.actions.comments import Comment
from incidents.actions.grouping import merge, move, split, split_by_tag
from incidents.actions.handling import Acknowledge, Assign, Prioritise, Snooze, Unacknowledge, Unassign, Unsnooze
from incidents.actions.resolving import Reopen, Resolve
from incidents.actions.sharing import Share
from incidents.actions.tags import RemoveTag, SetTag
from incidents.actions.undo import undo as undo_activity
from incidents.models import Activity, BulkAction, Incident
from people.models import User

SET = 1000  # incidents done in one transaction; others have their turn after each
SNAPSHOT_LIMIT = 100_000
FORGOTTEN_AFTER = timedelta(days=1)
LARGE = 2000  # alerts; merging, splitting or moving in an incident of more is done in the background
ACTIONS: dict[str, type[Action]] = {
    "resolve": Resolve,
    "reopen": Reopen,
    "acknowledge": Acknowledge,
    "unacknowledge": Unacknowledge,
    "assign": Assign,
    "release": Unassign,
    "snooze": Snooze,
    "unsnooze": Unsnooze,
    "share": Share,
    "comment": Comment,
    "priority": Prioritise,
    "tag": SetTag,
    "untag": RemoveTag,
}
State = BulkAction.State


def draft(what: str, incidents: QuerySet[Incident], *, by: User, matching: str = "") -> BulkAction:
    """Freeze what the person is asked about, with its counts. Raises InvalidTransition where that is nothing, or too much."""
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
    """Raises InvalidTransition where it was started already."""
    what = next(name for name, kind in ACTIONS.items() if isinstance(action, kind))
    _begin(bulk, State.ASKED, State.WAITING, what=what, arguments=action.arguments())


def start_undo(bulk: BulkAction) -> None:
    """Raises InvalidTransition where it is not done yet, or was undone already."""
    _begin(bulk, State.DONE, State.UNDOING, position=0)


def start_grouping(what: str, arguments: dict[str, Any], incidents: list[int], *, by: User) -> BulkAction:
    """A merge, split or move that is too large to wait for."""
    return BulkAction.objects.create(
        what=what, arguments=arguments, snapshot=incidents, total=len(incidents), by=by, state=State.WAITING
    )


def _begin(bulk: BulkAction, before: BulkAction.State, after: BulkAction.State, **changes: Any) -> None:
    # Two requests may begin it at once; the count lets one win.
    if not BulkAction.objects.filter(pk=bulk.pk, state=before).update(state=after, **changes):
        raise InvalidTransition("This was begun already, or is not finished yet. Its page says how far it is.")
    bulk.refresh_from_db()


def run(pk: int) -> None:
    """Do what is left of it, or of its undo; each set is committed with how far it is, so that it can be killed and run again."""
    while _step(pk):
        announce.announce()
    announce.announce()


def run_those_at_work() -> int:
    """What a lost message or a killed worker left half-way. Questions that nobody answered are forgotten after a day."""
    BulkAction.objects.filter(state=State.ASKED, created_at__lt=timezone.now() - FORGOTTEN_AFTER).delete()
    at_work = BulkAction.objects.filter(state__in=[State.WAITING, State.RUNNING, State.UNDOING])
    pks = list(at_work.values_list("pk", flat=True))
    for pk in pks:
        run(pk)
    return len(pks)


@transaction.atomic
def _step(pk: int) -> bool:
    """One set; whether there is more."""
    # Another worker may be at it: it goes on, and we leave.
    bulk = (
        BulkAction.objects.select_for_update(skip_locked=True, of=("self",)).select_related("by").filter(pk=pk).first()
    )
    if bulk is None or bulk.by is None or not bulk.is_at_work:
        return False
    chosen = bulk.snapshot if bulk.is_grouping else bulk.snapshot[bulk.position : bulk.position + SET]
    if bulk.is_grouping:
        _group_or_undo(bulk, bulk.by)
    elif bulk.state == State.UNDOING:
        _add_reasons(bulk.kept, _undo_set(bulk, chosen, bulk.by))
    else:
        bulk.state = State.RUNNING
        outcome = _do_set(bulk, chosen, bulk.by)
        bulk.done += len(outcome.activities)
        _add_reasons(bulk.skipped, outcome.refused)
    bulk.position += len(chosen)
    if is_over := bulk.position >= bulk.total:
        _finish(bulk)
    bulk.save(
        update_fields=["state", "position", "done", "skipped", "kept", "finished_at", "undone_at", "announced_at"]
    )
    return not is_over


def _do_set(bulk: BulkAction, chosen: list[int], by: User) -> Outcome:
    try:
        action = ACTIONS[bulk.what].of(bulk.arguments)
    except ObjectDoesNotExist:  # the tag was deleted meanwhile, or the person
        return Outcome(refused=dict.fromkeys(chosen, "What it was to be set to is not there any more."))
    return perform_on(action, chosen, by=by, bulk=bulk)


def _undo_set(bulk: BulkAction, chosen: list[int], by: User) -> Mapping[int, str]:
    action = ACTIONS[bulk.what]
    activities = bulk.activities.filter(kind=action.kind, undone_at=None, incident__in=chosen)
    return undo_on(action, activities.values_list("pk", flat=True), by=by, bulk=bulk).refused


def _group_or_undo(bulk: BulkAction, by: User) -> None:
    reasons = bulk.kept if bulk.state == State.UNDOING else bulk.skipped
    try:
        with transaction.atomic():
            if bulk.state == State.UNDOING:
                undo_activity(bulk.activities.get(part_of=None), by=by)
            else:
                leading = _GROUPINGS[bulk.what](bulk, by)
                Activity.objects.filter(Q(pk=leading.pk) | Q(part_of=leading)).update(bulk=bulk)
                bulk.done = bulk.total
    except InvalidTransition as refusal:
        _add_reasons(reasons, dict.fromkeys(bulk.snapshot, str(refusal)))


def _merge(bulk: BulkAction, by: User) -> Activity:
    said = bulk.arguments
    sources = Incident.objects.filter(pk__in=bulk.snapshot)
    return merge(Incident.objects.get(pk=said["into"]), list(sources), by=by, comment=said["comment"])


def _split(bulk: BulkAction, by: User) -> Activity:
    incident = Incident.objects.get(pk=bulk.snapshot[0])
    return split(incident, bulk.arguments["alerts"], by=by, comment=bulk.arguments["comment"])


def _split_by_tag(bulk: BulkAction, by: User) -> Activity:
    incident = Incident.objects.get(pk=bulk.snapshot[0])
    return split_by_tag(incident, bulk.arguments["tag"], by=by, comment=bulk.arguments["comment"])


def _move(bulk: BulkAction, by: User) -> Activity:
    said = bulk.arguments
    incident, to = (Incident.objects.get(pk=pk) for pk in (bulk.snapshot[0], said["to"]))
    return move(incident, said["alerts"], to=to, by=by, comment=said["comment"])


_GROUPINGS: dict[str, Callable[[BulkAction, User], Activity]] = {
    "merge": _merge,
    "split": _split,
    "split_by_tag": _split_by_tag,
    "move": _move,
}


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
