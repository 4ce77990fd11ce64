"""Which alerts are in maintenance, by which plan: judged in the turn of correlation that sees an update, and noted with it, so that replays know.

An alert that matches a plan and was received or updated while that runs is in maintenance; afterwards it stays there until a new update says that
it is active (docs/wire-contract.md §6.2). What the incident makes of it is the rollup's matter (incidents.correlation.rollup).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Count, Max, OuterRef, Subquery

import bpql
from alerts.events import Status
from alerts.models import Alert, Event
from incidents.correlation.decide import CorrelationSubject
from incidents.correlation.rollup import AlertSnapshot
from incidents.models import Incident, MaintenancePlan

BEHIND_AT_MOST = timedelta(days=1)  # of an update that correlation sees while its plan is still asked


def mark(
    alerts: Sequence[AlertSnapshot], subjects: Mapping[int, CorrelationSubject], now: datetime
) -> list[AlertSnapshot]:
    """Put alerts into maintenance, and take them out; returns those of which that changed. Where no plan runs it looks at none but those in one.

    1. Take the plans that may have run when the newest update of an alert came; of those that match, the one that ends last.
    2. What came while it ran puts the alert into maintenance.
    3. An active update that no plan expects takes it out. An end, or what people do, leaves it as it is.
    """
    plans = list(
        MaintenancePlan.objects.filter(deleted_at=None, starts_at__lte=now, ends_at__gt=now - BEHIND_AT_MOST).order_by(
            "-ends_at", "-pk"
        )
    )
    asked = [alert for alert in alerts if plans or alert.is_in_maintenance]
    received = _received(asked) if asked else {}
    changed = []
    for alert in asked:
        at = received.get(alert.pk)
        if at is None:
            continue
        plan = next((plan.pk for plan in plans if _expects(plan, subjects[alert.pk], at)), None)
        if plan != alert.maintenance_plan_id and (plan or alert.status != Status.OK):
            alert.maintenance_plan_id = plan
            changed.append(alert)
    return changed


def plans_of(incident: Incident) -> Sequence[MaintenancePlan]:
    """Those by which its active alerts are in maintenance, with `count` of them."""
    if not (incident.is_open and incident.maintenance):
        return ()
    of_active = {"alerts__incident": incident, "alerts__status__gt": Status.OK}
    plans = MaintenancePlan.objects.filter(**of_active).annotate(count=Count("alerts"))
    return list(plans.order_by("-ends_at", "-pk"))


def _received(alerts: Sequence[AlertSnapshot]) -> dict[int, datetime]:
    """When the newest update came that correlation has not seen, by alert."""
    # Asked of each alert by itself, which is an index scan whatever the tables hold: a join may be planned for a small table while it grows.
    unseen = Event.objects.filter(
        alert=OuterRef("pk"), kind=Event.Kind.SENT, revision__gt=OuterRef("correlated_revision")
    )
    newest = Subquery(unseen.order_by().values("alert").annotate(at=Max("received_at")).values("at"))
    rows = Alert.objects.filter(pk__in=[alert.pk for alert in alerts]).values_list("pk", newest)
    return {pk: at for pk, at in rows if at}


def _expects(plan: MaintenancePlan, subject: CorrelationSubject, at: datetime) -> bool:
    return plan.starts_at <= at < plan.ends_at and bpql.parse(plan.condition).matches(subject)
