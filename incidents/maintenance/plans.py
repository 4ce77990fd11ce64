"""Every change of a maintenance plan, from its pages and over the API; the audit log says so in the same transaction."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from incidents.maintenance.forms import PROPERTIES, PlanForm, State
from incidents.models import MaintenancePlan
from people import audit
from people.models import User


class NotNow(Exception):
    """A change that the plan's state does not allow; the text says why, in words for a person."""


@transaction.atomic
def save(form: PlanForm, *, by: User) -> MaintenancePlan:
    """Create or change what a valid form describes."""
    pk = form.instance.pk
    old = audit.properties(MaintenancePlan.objects.get(pk=pk), *PROPERTIES) if pk else None
    if not pk:
        form.instance.created_by = by
    form.instance.updated_by, form.instance.stopped_before = by, None
    plan: MaintenancePlan = form.save()
    change = audit.Change.CHANGED if pk else audit.Change.CREATED
    audit.record(by, plan, change, old=old, new=audit.properties(plan, *PROPERTIES))
    return plan


@transaction.atomic
def stop(plan: MaintenancePlan, *, by: User) -> None:
    """End it now. Raises NotNow where it does not run."""
    plan = _locked(plan)
    if plan.state is not State.RUNNING:
        raise NotNow("Only a plan that runs can be stopped.")
    old = audit.properties(plan, "ends_at")
    plan.stopped_before, plan.ends_at = plan.ends_at, timezone.now()
    _save(plan, audit.Change.DEACTIVATED, by, old=old, new=audit.properties(plan, "ends_at"))


@transaction.atomic
def resume(plan: MaintenancePlan, *, by: User) -> None:
    """Take a stop back: it ends when it was to end. Raises NotNow where that has passed."""
    plan = _locked(plan)
    if plan.stopped_before is None or not plan.can_go_on:
        raise NotNow("It would be over by now: plan it anew.")
    old = audit.properties(plan, "ends_at")
    plan.ends_at = plan.stopped_before
    plan.stopped_before = None
    _save(plan, audit.Change.ACTIVATED, by, old=old, new=audit.properties(plan, "ends_at"))


@transaction.atomic
def delete(plan: MaintenancePlan, *, by: User) -> None:
    """Take it away; it expects nothing any more, and can be brought back."""
    plan = _locked(plan)
    if plan.deleted_at is None:
        plan.deleted_at = timezone.now()
        _save(plan, audit.Change.DELETED, by, old=audit.properties(plan, *PROPERTIES))


@transaction.atomic
def restore(plan: MaintenancePlan, *, by: User) -> None:
    """Take a deletion back."""
    plan = _locked(plan)
    if plan.deleted_at is not None:
        plan.deleted_at = None
        _save(plan, audit.Change.RESTORED, by, new=audit.properties(plan, *PROPERTIES))


def _locked(plan: MaintenancePlan) -> MaintenancePlan:
    # Two people may change it at once; the second waits, and then sees what the first made of it.
    return MaintenancePlan.objects.select_for_update().get(pk=plan.pk)


def _save(plan: MaintenancePlan, change: audit.Change, by: User, **differs: audit.Properties) -> None:
    plan.updated_by = by
    plan.save()
    audit.record(by, plan, change, **differs)
