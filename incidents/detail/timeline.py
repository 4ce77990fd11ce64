"""The timeline of an incident: a row per alert, from one change of status to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from django.db.models import F, Q, Window
from django.db.models.functions import Lag
from django.utils import timezone

from alerts.events import Status
from alerts.models import Alert, Event
from incidents.models import Activity, Deployment, Incident

ROWS = 50  # of a page
CHANGES_LIMIT = 5000  # of a page's rows; the page says that older changes are left out
ROW_HEIGHT = 28  # pixels, as the names beside the rows
TICKS = 6
STEPS = [timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30)]
STEPS += [timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)]
STEPS += [timedelta(days=days) for days in (1, 2, 7, 14, 30, 91, 365)]
EDGE = 0.02  # share of the width, for a dot at the beginning and at the end


@dataclass(frozen=True, slots=True)
class StatusSpan:
    """An alert in one status, from one change to the next.

    `x` and `until` are seconds from the beginning of the timeline.
    """

    status: Status
    began_at: datetime
    ended_at: datetime | None  # None for the status of now
    x: float
    until: float


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """An alert on the timeline."""

    alert: Alert
    name: str
    detail: str  # beside the name; empty where all rows share one of the two
    spans: tuple[StatusSpan, ...]
    y: float  # pixels from the top to the middle


@dataclass(frozen=True, slots=True)
class Tick:
    """A time on the axis."""

    at: datetime
    x: str  # in percent of the width
    is_day: bool


@dataclass(frozen=True, slots=True)
class Marker:
    """An action of a person on the incident as a whole."""

    activity: Activity
    x: float


@dataclass(frozen=True, slots=True)
class Rollout:
    """A deployment on the same hosts or tags, from its start to its end."""

    deployment: Deployment
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """A drawing of an incident until now, or until the incident was resolved."""

    starts_at: datetime
    ends_at: datetime
    shared_name: str  # the part that all names share, shown once above the rows; empty where names share nothing
    rows: tuple[TimelineRow, ...]
    ticks: tuple[Tick, ...]
    markers: tuple[Marker, ...]
    rollouts: tuple[Rollout, ...]
    is_cut: bool  # older changes are left out

    @property
    def length(self) -> float:
        """The length in seconds."""
        return (self.ends_at - self.starts_at).total_seconds()

    @property
    def left(self) -> float:
        return round(-EDGE * self.length, 1)

    @property
    def width(self) -> float:
        return round((1 + 2 * EDGE) * self.length, 1)

    @property
    def height(self) -> int:
        return ROW_HEIGHT * len(self.rows)


def timeline(
    incident: Incident, alerts: Sequence[Alert], activities: Iterable[Activity], deployments: Sequence[Deployment]
) -> Timeline:
    """Return the timeline of these alerts of an incident, with actions of people and deployments."""
    changes = _changes(alerts)
    is_cut = len(changes) > CHANGES_LIMIT
    by_alert: dict[int, list[Event]] = {alert.pk: [] for alert in alerts}
    for event in sorted(changes[:CHANGES_LIMIT], key=lambda event: (event.occurred_at, event.pk)):
        by_alert[event.alert_id].append(event)
    ends_at = timezone.now() if incident.is_open else incident.resolved_at or timezone.now()
    happened = [event.occurred_at for event in changes[:CHANGES_LIMIT]]
    starts_at = min([incident.started_at, *happened] if not is_cut else happened)
    starts_at = min([starts_at, *(each.started_at for each in deployments)])
    ends_at = max([ends_at, *happened, starts_at + timedelta(minutes=1)])

    def x(at: datetime) -> float:
        return round((at - starts_at).total_seconds(), 1)

    shared_name, names = _names(alerts)
    rows = []
    for place, (alert, (name, detail)) in enumerate(zip(alerts, names, strict=True)):
        events: list[Event | None] = [*by_alert[alert.pk], None]
        spans = (
            _span(one, other, x, x(other.occurred_at if other else ends_at)) for one, other in pairwise(events) if one
        )
        rows.append(TimelineRow(alert, name, detail, tuple(spans), ROW_HEIGHT * (place + 0.5)))
    markers = tuple(Marker(each, x(each.at)) for each in activities if starts_at <= each.at <= ends_at)
    rollouts = tuple(
        Rollout(each, x(each.started_at), x(min(each.ended_at or ends_at, ends_at)) - x(each.started_at))
        for each in deployments
    )
    return Timeline(starts_at, ends_at, shared_name, tuple(rows), _ticks(starts_at, ends_at), markers, rollouts, is_cut)


def _names(alerts: Sequence[Alert]) -> tuple[str, list[tuple[str, str]]]:
    """Return the part that all names share, and each row's name and detail without that part.

    A row is narrow, so it shows only the part that differs.
    """
    names = [(alert.primary_value or alert.identifier, alert.secondary_value) for alert in alerts]
    firsts, seconds = {first for first, _ in names}, {second for _, second in names}
    if len(names) > 1 and len(firsts) == 1 and all(seconds):
        return names[0][0], [(second, "") for _, second in names]
    if len(names) > 1 and len(seconds) == 1 and all(seconds):
        return names[0][1], [(first, "") for first, _ in names]
    return "", names


def _span(one: Event, other: Event | None, x: Callable[[datetime], float], until: float) -> StatusSpan:
    return StatusSpan(
        Status(one.status), one.occurred_at, other.occurred_at if other else None, x(one.occurred_at), until
    )


def _changes(alerts: Sequence[Alert]) -> list[Event]:
    """Return the events that changed the status of these alerts, the newest first.

    A resolve that was undone changed nothing.
    """
    log = Event.objects.filter(alert__in=[alert.pk for alert in alerts]).exclude(kind=Event.Kind.UNDO)
    undone = Event.objects.filter(alert__in=[alert.pk for alert in alerts], kind=Event.Kind.UNDO).values("undoes")
    before = Window(Lag("status"), partition_by="alert_id", order_by=["occurred_at", "id"])
    told = log.exclude(pk__in=undone).annotate(before=before).filter(Q(before=None) | ~Q(before=F("status")))
    return list(told.order_by("-occurred_at", "-pk").only("alert_id", "status", "occurred_at")[: CHANGES_LIMIT + 1])


def _ticks(starts_at: datetime, ends_at: datetime) -> tuple[Tick, ...]:
    """Return round times in the zone of the reader, as many as people can read."""
    length = ends_at - starts_at
    step = next((step for step in STEPS if length / step <= TICKS), STEPS[-1])
    midnight = timezone.localtime(starts_at).replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + step * ((starts_at - midnight) // step + 1)
    ticks = []
    while at < ends_at:
        place = (EDGE + (at - starts_at) / length) / (1 + 2 * EDGE)
        local = timezone.localtime(at.astimezone(UTC))
        ticks.append(
            Tick(local, f"{100 * place:.2f}%", is_day=step >= timedelta(days=1) or not local.hour + local.minute)
        )
        at += step
    return tuple(ticks)
