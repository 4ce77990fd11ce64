"""Whether alerts open much faster than usual, and where they come from. Nothing is dropped or hidden for it: it is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import QuerySet
from django.utils import timezone

from alerts.models import Alert
from incidents.models import Membership
from people.models import User

SPAN = timedelta(minutes=5)
USUAL_SPANS = 12  # before it, which tell what is usual
LEAST = 50  # alerts in a span; fewer are no storm, however quiet it was before
LEAP = 4  # times as many as usual
COUNT_LIMIT = 20_000  # counting more would cost more than it tells
SAMPLE = 1000  # of the latest, which tell where they come from
TOP = 3
KEPT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Storm:
    alerts: int  # opened in the last SPAN, COUNT_LIMIT at most
    usual: int  # in as long a time, over the hour before
    sources: list[tuple[str, int]]  # percent of the latest, the most first
    hosts: list[tuple[str, int]]

    minutes = SPAN.seconds // 60

    @property
    def is_counted_out(self) -> bool:
        return self.alerts < COUNT_LIMIT


def now(user: User) -> Storm | None:
    """The storm among the alerts that a person may see, where there is one. Looked at once in a few seconds for all with the same role."""
    found: Storm | None = cache.get_or_set(f"storm:{user.role_id}", lambda: _look(user), KEPT_SECONDS)
    return found


def _look(user: User) -> Storm | None:
    at = timezone.now()
    seen = Alert.objects.order_by("-pk")
    if closed := Membership.closed_to(user, keeping="seen_by"):
        seen = seen.exclude(incident__membership__in=closed)
    latest = _count(seen.filter(pk__gte=_first_key(at - SPAN)))
    if latest < LEAST:
        return None
    before = seen.filter(pk__gte=_first_key(at - SPAN * (USUAL_SPANS + 1)), pk__lt=_first_key(at - SPAN))
    usual = _count(before) // USUAL_SPANS
    if latest < LEAP * usual:
        return None
    sample = list(seen.select_related("app_key").filter(pk__gte=_first_key(at - SPAN))[:SAMPLE])
    sources = Counter(alert.app_key.name for alert in sample)
    hosts = Counter(alert.primary_value for alert in sample)
    return Storm(latest, usual, _percent(sources, len(sample)), _percent(hosts, len(sample)))


def _first_key(at: datetime) -> int:
    """The least key that an alert made then can have (alerts.models.time_ordered_key)."""
    return int(at.timestamp() * 1e6) << 9


def _count(alerts: QuerySet[Alert]) -> int:
    return alerts.order_by()[:COUNT_LIMIT].count()


def _percent(counts: Counter[str], total: int) -> list[tuple[str, int]]:
    return [(name, round(100 * count / total)) for name, count in counts.most_common(TOP)]
