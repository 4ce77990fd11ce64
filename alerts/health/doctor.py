"""The doctor: findings about the requests of an integration, each with the fix for its tool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from django.db.models import Count, Sum
from django.utils.safestring import SafeString

from alerts.models import Alert, Health, Traffic
from alerts.models.alert import AlertQuerySet
from appkeys import gallery
from appkeys.gallery import Tool
from appkeys.models import AppKey
from people.templatetags.console_tags import in_words

GUIDELINE = 300  # events per hour; more of them suggest a misconfiguration (docs/wire-contract.md §2.7)
SHOWN, LOOKED_BACK = timedelta(hours=48), timedelta(days=14)
OFTEN = 0.2  # share of duplicates or rejects among the events that makes a finding
SKEW = timedelta(seconds=90)
MANY_TAGS = 100
STALE = timedelta(days=3)  # an alert that is active and silent for so long probably never gets an end
FEWEST_HOURS = 5  # with events, needed for a rhythm
HOUR = timedelta(hours=1)

# Fixes for tools whose own help has none (appkeys.gallery).
FIXES = {
    "busy": "Send a change of status once, not at each check, and look for alerts that flap.",
    "duplicates": "The same event comes twice: look for a second route, contact or action that sends it. It costs nothing but traffic.",
    "rejected": "Read the reason beside the sample below, and correct what the tool sends. Nothing else of that request was lost.",
    "never_resolves": "Let the tool send `ok` for the same object when the trouble is over. Resolve those that are over by hand.",
    "clock_skew": "Set the sender's clock by NTP, and send times with their zone or as Unix seconds.",
    "dropped": "Shorten what was cut, or send nested values as tags of their own.",
    "large_tags": "Send the tags that people look for or correlate by; each of the others is stored with every change.",
    "quiet": "Look whether the tool runs and can reach this address; send a test alert from it.",
    "pending": "Follow the setup, then send a test alert from the tool.",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of an integration, with its fix."""

    kind: str
    message: str
    fix: SafeString | str
    is_urgent: bool = False
    alerts: Sequence[Alert] = ()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The usual silences of an integration, and the present one."""

    longest: timedelta | None  # the longest silence in the last two weeks; None where there are too few events
    silent_for: timedelta

    @property
    def is_quiet(self) -> bool:
        return self.longest is not None and self.silent_for > max(self.longest * 3 / 2, 2 * HOUR)


@dataclass(frozen=True, slots=True)
class Bar:
    """An hour of the chart, with its counts from the bottom up."""

    hour: datetime
    accepted: int
    duplicates: int
    rejected: int

    @property
    def events(self) -> int:
        return self.accepted + self.duplicates + self.rejected


def tool_of(app_key: AppKey) -> Tool:
    return gallery.TOOLS.get(app_key.tool, gallery.TOOLS["api"])


def bars(app_key: AppKey, now: datetime) -> list[Bar]:
    """Return the hours of the last two days, including those without events."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    known = {row.hour: row for row in app_key.traffic.filter(hour__gt=this_hour - SHOWN)}
    hours = [this_hour - HOUR * back for back in reversed(range(SHOWN // HOUR))]
    return [
        Bar(hour, row.accepted, row.duplicates, row.rejected) if (row := known.get(hour)) else Bar(hour, 0, 0, 0)
        for hour in hours
    ]


def rhythm(app_key: AppKey, last_event_at: datetime | None, now: datetime) -> Rhythm | None:
    """Return the rhythm of the last two weeks, or None before the first event."""
    if last_event_at is None:
        return None
    rows = app_key.traffic.filter(hour__gt=now - LOOKED_BACK).exclude(accepted=0, duplicates=0)
    hours = list(rows.order_by("hour").values_list("hour", flat=True))
    silences = [later - earlier - HOUR for earlier, later in pairwise(hours)]
    longest = max(*silences, HOUR) if len(hours) >= FEWEST_HOURS else None
    return Rhythm(longest, max(now - last_event_at, timedelta(0)))


def examine(app_key: AppKey, now: datetime, visible: AlertQuerySet) -> list[Finding]:
    """Return the findings about an integration, the urgent ones first, with examples of the visible alerts."""
    health = Health.objects.filter(app_key=app_key).first() or Health(app_key=app_key)
    slug = tool_of(app_key).slug
    found = [
        *_volume(app_key, now),
        *_silence(app_key, health, now),
        *_never_resolving(app_key, now, visible),
        *_times(health),
        *_tags(app_key, health, visible),
    ]
    findings = [
        Finding(each.kind, each.message, gallery.fix(slug, each.kind) or FIXES[each.kind], each.is_urgent, each.alerts)
        for each in found
    ]
    return sorted(findings, key=lambda each: not each.is_urgent)


def _volume(app_key: AppKey, now: datetime) -> list[Finding]:
    rows: list[Traffic] = list(app_key.traffic.filter(hour__gt=now - timedelta(hours=24)))
    accepted, duplicates, rejected = (
        sum(getattr(row, name) for row in rows) for name in ("accepted", "duplicates", "rejected")
    )
    busiest = max((row.accepted + row.duplicates for row in rows), default=0)
    total = accepted + duplicates + rejected
    found = []
    if busiest > GUIDELINE:
        found.append(
            Finding(
                "busy",
                f"{busiest:,} events in its busiest hour; a few hundred an hour are much for one integration.",
                "",
            )
        )
    if duplicates >= 10 and duplicates > OFTEN * total:
        found.append(Finding("duplicates", f"{duplicates:,} of {total:,} events in 24 hours were duplicates.", ""))
    if rejected:
        found.append(
            Finding(
                "rejected",
                f"{rejected:,} of {total:,} events in 24 hours were rejected.",
                "",
                is_urgent=rejected > OFTEN * total,
            )
        )
    return found


def _silence(app_key: AppKey, health: Health, now: datetime) -> list[Finding]:
    # A test alert of the console sets the time of the first event, but is not sent by the tool.
    if health.last_event_at is None and not app_key.traffic.exists():
        return [Finding("pending", "Nothing was received yet.", "")]
    found = rhythm(app_key, health.last_event_at, now)
    if found and found.longest and found.is_quiet:
        words = f"Silent for {in_words(found.silent_for)}; in the last two weeks it was never silent longer than {in_words(found.longest)}."
        return [Finding("quiet", words, "", is_urgent=True)]
    return []


def _never_resolving(app_key: AppKey, now: datetime, visible: AlertQuerySet) -> list[Finding]:
    # Active alerts are in open incidents, few of which are old. An index of all active alerts would cost time with
    # every event.
    active = Alert.objects.filter(app_key=app_key, incident__resolved_at=None, incident__started_at__lt=now - STALE)
    stale = active.filter(status__gt=0, is_current=True, started_at__lt=now - STALE, last_event_at__lt=now - STALE)
    count = stale.count()
    if not count:
        return []
    words = f"{count:,} alert{'s' if count > 1 else ''} active for more than {STALE.days} days without a word from the tool."
    examples = list((stale & visible).order_by("started_at")[:5])
    return [Finding("never_resolves", words, "", alerts=examples)]


def _times(health: Health) -> list[Finding]:
    skew = timedelta(seconds=health.skew_seconds or 0)
    if skew <= SKEW:  # a delay looks like a clock that is behind, so only a clock that is ahead is a finding
        return []
    return [Finding("clock_skew", f"Its last event was timed {in_words(skew)} ahead of its receipt.", "")]


def _tags(app_key: AppKey, health: Health, visible: AlertQuerySet) -> list[Finding]:
    found = []
    repaired = app_key.repairs.aggregate(fields=Count("pk"), times=Sum("times", default=0))
    if repaired["times"]:
        fields = f"{repaired['fields']} field{'s' if repaired['fields'] > 1 else ''}"
        found.append(
            Finding("dropped", f"Tags were cut, dropped or repaired {repaired['times']:,} times, in {fields}.", "")
        )
    if health.most_tags > MANY_TAGS and health.most_tags_identity:
        largest = list(visible.filter(identity=health.most_tags_identity, is_current=True))
        found.append(Finding("large_tags", f"An event came with {health.most_tags:,} tags.", "", alerts=largest))
    return found
