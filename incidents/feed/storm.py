"""Storms: times in which alerts open much faster than usual.

The feed tells of a storm. Nothing is dropped or hidden.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from django.core.cache import cache
from django.db.models import QuerySet
from django.utils import timezone

from alerts.models import Alert, key_at
from people.models import User

SPAN = timedelta(minutes=5)
USUAL_SPANS = 12  # before the latest span; their average is the usual number
LEAST = 50  # alerts in a span; fewer alerts are no storm
LEAP = 4  # times the usual number
COUNT_LIMIT = 20_000  # counting more alerts would cost more than the number is worth
SAMPLE = 1000  # latest alerts, for the shares of sources and hosts
TOP = 3  # sources and hosts that are named
KEPT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Storm:
    """A storm among the alerts that one role sees."""

    alerts: int  # opened in the last SPAN, COUNT_LIMIT at most
    usual: int  # average of a SPAN in the hour before
    sources: list[tuple[str, int]]  # names with their share of the sample in percent, the largest first
    hosts: list[tuple[str, int]]  # likewise

    minutes = SPAN.seconds // 60

    @property
    def is_exact(self) -> bool:
        """True while the number of alerts is below the limit of counting."""
        return self.alerts < COUNT_LIMIT


def now(user: User) -> Storm | None:
    """Return the storm among the alerts that a person may see, or None.

    The result is cached by role for KEPT_SECONDS.
    """
    found: Storm | None = cache.get_or_set(f"storm:{user.role_id}", lambda: _look(user), KEPT_SECONDS)
    return found


def _look(user: User) -> Storm | None:
    at = timezone.now()
    seen = Alert.objects.visible_to(user).order_by("-pk")
    latest = _count(seen.filter(pk__gte=key_at(at - SPAN)))
    if latest < LEAST:
        return None
    before = seen.filter(pk__gte=key_at(at - SPAN * (USUAL_SPANS + 1)), pk__lt=key_at(at - SPAN))
    usual = _count(before) // USUAL_SPANS
    if latest < LEAP * usual:
        return None
    sample = list(seen.select_related("app_key").filter(pk__gte=key_at(at - SPAN))[:SAMPLE])
    sources = Counter(alert.app_key.name for alert in sample)
    hosts = Counter(alert.primary_value for alert in sample)
    return Storm(latest, usual, _percent(sources, len(sample)), _percent(hosts, len(sample)))


def _count(alerts: QuerySet[Alert]) -> int:
    return alerts.order_by()[:COUNT_LIMIT].count()


def _percent(counts: Counter[str], total: int) -> list[tuple[str, int]]:
    return [(name, round(100 * count / total)) for name, count in counts.most_common(TOP)]
