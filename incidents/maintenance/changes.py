"""Changes of maintenance plans, for their pages and the API.

Each change writes an entry of the audit log in the same transaction.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Self

from django.db import transaction
from django.utils import timezone

from incidents.models import MaintenancePlan
from people import audit
from people.models import User


class NotNow(Exception):
    """A change that the state of the plan does not allow. The message tells people why."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The properties of a plan that people decide, as PlanForm has checked them."""

    name: str
    condition: str
    starts_at: datetime
    ends_at: datetime
    description: str

    @classmethod
    def of(cls, plan: MaintenancePlan) -> Self:
        return cls(plan.name, plan.condition, plan.starts_at, plan.ends_at, plan.description)


@transaction.atomic
def create(draft: Draft, *, by: User) -> MaintenancePlan:
    """Create a plan."""
    plan = MaintenancePlan.objects.create(**asdict(draft), created_by=by, updated_by=by)
    audit.record(by, plan, audit.Change.CREATED, new=asdict(draft))
    return plan


@transaction.atomic
def edit(plan: MaintenancePlan, draft: Draft, *, by: User) -> MaintenancePlan:
    """Give a plan other properties. A plan that was stopped can no longer resume."""
    plan = _locked(plan)
    before = Draft.of(plan)
    for name, value in asdict(draft).items():
        setattr(plan, name, value)
    plan.stopped_before = None
    _save(plan, audit.Change.CHANGED, by, old=asdict(before), new=asdict(draft))
    return plan


@transaction.atomic
def stop(plan: MaintenancePlan, *, by: User) -> None:
    """End a running plan now. Raise NotNow for a plan that does not run."""
    plan = _locked(plan)
    if plan.state is not MaintenancePlan.State.RUNNING:
        raise NotNow("Only a plan that runs can be stopped.")
    old = audit.properties(plan, "ends_at")
    plan.stopped_before, plan.ends_at = plan.ends_at, timezone.now()
    _save(plan, audit.Change.DEACTIVATED, by, old=old, new=audit.properties(plan, "ends_at"))


@transaction.atomic
def resume(plan: MaintenancePlan, *, by: User) -> None:
    """Undo a stop: the plan ends at the time that was set before. Raise NotNow once that time has passed."""
    plan = _locked(plan)
    if plan.stopped_before is None or not plan.can_go_on:
        raise NotNow("It would be over by now: plan it anew.")
    old = audit.properties(plan, "ends_at")
    plan.ends_at = plan.stopped_before
    plan.stopped_before = None
    _save(plan, audit.Change.ACTIVATED, by, old=old, new=audit.properties(plan, "ends_at"))


@transaction.atomic
def delete(plan: MaintenancePlan, *, by: User) -> None:
    """Delete a plan. The plan stays stored, so that people can restore it."""
    plan = _locked(plan)
    if plan.deleted_at is None:
        plan.deleted_at = timezone.now()
        _save(plan, audit.Change.DELETED, by, old=asdict(Draft.of(plan)))


@transaction.atomic
def restore(plan: MaintenancePlan, *, by: User) -> None:
    """Undo a deletion."""
    plan = _locked(plan)
    if plan.deleted_at is not None:
        plan.deleted_at = None
        _save(plan, audit.Change.RESTORED, by, new=asdict(Draft.of(plan)))


def _locked(plan: MaintenancePlan) -> MaintenancePlan:
    # Two people may change a plan at once. The lock makes the second person wait for the first.
    return MaintenancePlan.objects.select_for_update().get(pk=plan.pk)


def _save(plan: MaintenancePlan, change: audit.Change, by: User, **differs: audit.Properties) -> None:
    plan.updated_by = by
    plan.save()
    audit.record(by, plan, change, **differs)
