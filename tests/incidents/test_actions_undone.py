"""Undo of any actions in reverse order restores everything but the history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.models import Alert
from incidents import actions
from incidents.actions import InvalidTransition
from incidents.actions.action import all_actions
from incidents.models import Activity, Incident, IncidentTag, IncidentTagValue, Matcher, Priority
from people.models import User
from tests.conftest import PostEvent

pytestmark = pytest.mark.django_db


def everything() -> dict[str, Any]:
    """Return what people see of incidents, and what decides where further alerts go.

    Incidents that were merged away are left out.
    """
    shown = Incident.objects.filter(merged_into=None).order_by("pk")
    matchers = Matcher.objects.order_by("pk").values_list("pk", "incident", "valid", "open", "brought_from")
    return {
        "incidents": list(shown.values()),
        "alerts": list(Alert.objects.order_by("pk").values_list("pk", "incident", "status", "tags", "started_at")),
        "counted": list(Alert.objects.order_by("pk").values_list("pk", "counted_status")),
        "matchers": list(matchers),
        "tags": list(IncidentTagValue.objects.order_by("tag", "incident").values_list("incident", "tag", "values")),
        "comments": list(Activity.objects.filter(kind="incident_commented", undone_at=None).values_list("comment")),
    }


def act(name: str, one: Incident, other: Incident, some: list[int], user: User, tag: IncidentTag) -> Activity | None:
    comment = Activity.objects.filter(incident=one, kind=Activity.Kind.COMMENTED, undone_at=None).first()
    match name:
        case "resolve":
            return actions.resolve(one, by=user)
        case "reopen":
            return actions.reopen(one, by=user)
        case "acknowledge":
            return actions.acknowledge(one, by=user)
        case "unacknowledge":
            return actions.unacknowledge(one, by=user)
        case "assign":
            return actions.assign(one, to=user, by=user)
        case "unassign":
            return actions.unassign(one, by=user)
        case "snooze":
            return actions.snooze(one, until=timezone.now() + timedelta(hours=1), by=user)
        case "unsnooze":
            return actions.unsnooze(one, by=user)
        case "comment":
            return actions.comment(one, by=user, text="looking")
        case "edit_comment":
            return actions.edit_comment(comment, by=user, text=f"{comment.comment}!") if comment else None
        case "delete_comment":
            return actions.delete_comment(comment, by=user) if comment else None
        case "priority":
            return actions.prioritise(one, Priority.P2, by=user)
        case "share":
            return actions.share(one, by=user, people=[user], addresses=[f"ops-{len(some)}@example.com"])
        case "tag":
            return actions.set_tag(one, tag, [f"v{len(some)}"], by=user)
        case "untag":
            return actions.remove_tag(one, tag, by=user)
        case "merge":
            return actions.merge(one, [other], by=user)
        case "split":
            return actions.split(one, some, by=user)
        case "split_by_tag":
            return actions.split_by_tag(one, "check", by=user)
        case "move":
            return actions.move(one, some, to=other, by=user)
    raise AssertionError(name)


# The undo of `resolve_alerts` is a change of the incident, so the time of its last change is not restored.
ACTIONS = [action.name for action in all_actions() if action.name != "resolve_alerts"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(ACTIONS), st.integers(0, 4), st.integers(0, 4), st.sets(st.integers(0, 2), min_size=1)
        ),
        min_size=8,
        max_size=20,
    )
)
def test_any_actions_undone_in_reverse_order_restore_everything(
    steps: list[tuple[str, int, int, set[int]]], post_event: PostEvent, responder: User
) -> None:
    now = int(timezone.now().timestamp())
    for host in ("db-1", "db-2", "web-1"):
        for check in ("cpu", "disk", "swap"):
            post_event(host=host, check=check, cluster="east", timestamp=now - 600)
    tag = IncidentTag.objects.get_or_create(name="Cause")[0]
    before, done = everything(), []
    for name, one, other, some in steps:
        incidents = list(Incident.objects.filter(merged_into=None).order_by("pk"))
        subject, further = incidents[one % len(incidents)], incidents[other % len(incidents)]
        alerts = list(Alert.objects.filter(incident=subject).order_by("pk").values_list("pk", flat=True))
        chosen = [pk for place, pk in enumerate(alerts) if place in some]
        try:
            activity = act(name, subject, further, chosen, responder, tag)
        except InvalidTransition:
            continue
        if activity:
            done.append(activity)
    for activity in reversed(done):
        actions.undo(activity, by=responder)
    assert everything() == before
