"""The mark of alerts in maintenance, with the plan (docs/how-it-works.md §4.5, docs/wire-contract.md §6.2).

The round of correlation that sees an update decides, and the correlation batch records the plans, so that replays need
not ask the plans again. `incidents.correlation.rollup` derives the maintenance of the incident.
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

LARGEST_DELAY = timedelta(days=1)  # of correlation behind an update, while the plan of that time is still asked


def mark(
    alerts: Sequence[AlertSnapshot], subjects: Mapping[int, CorrelationSubject], now: datetime
) -> list[AlertSnapshot]:
    """Put alerts into maintenance and take them out. Return the alerts that changed.

    Without a plan that may have run, only alerts in maintenance are looked at.

    1. Take the plans that may have run when the newest update of an alert was received. Of the plans that match, the
       plan that ends last counts.
    2. An update received while the plan ran puts the alert into maintenance.
    3. An active update that no plan expects takes the alert out. An `ok` event or an action leaves the alert as it is.
    """
    plans = list(
        MaintenancePlan.objects.filter(deleted_at=None, starts_at__lte=now, ends_at__gt=now - LARGEST_DELAY).order_by(
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
    """Return the plans by which active alerts of an incident are in maintenance.

    Each plan has the number of these alerts as `count`.
    """
    if not (incident.is_open and incident.maintenance):
        return ()
    of_active = {"alerts__incident": incident, "alerts__status__gt": Status.OK}
    plans = MaintenancePlan.objects.filter(**of_active).annotate(count=Count("alerts"))
    return list(plans.order_by("-ends_at", "-pk"))


def _received(alerts: Sequence[AlertSnapshot]) -> dict[int, datetime]:
    """Return by alert when the newest update was received that correlation has not seen."""
    # A subquery per alert is an index scan whatever the size of the tables. The database may plan a join for a small
    # table and keep the plan while the table grows.
    unseen = Event.objects.filter(
        alert=OuterRef("pk"), kind=Event.Kind.SENT, revision__gt=OuterRef("correlated_revision")
    )
    newest = Subquery(unseen.order_by().values("alert").annotate(at=Max("received_at")).values("at"))
    rows = Alert.objects.filter(pk__in=[alert.pk for alert in alerts]).values_list("pk", newest)
    return {pk: at for pk, at in rows if at}


def _expects(plan: MaintenancePlan, subject: CorrelationSubject, at: datetime) -> bool:
    return plan.starts_at <= at < plan.ends_at and bpql.parse(plan.condition).matches(subject)
