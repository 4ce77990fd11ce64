"""A second implementation of the rules of docs/how-it-works.md §2: keep every event, compute everything again.

The model follows the text and imports nothing of the console. It is slow on purpose. Of the payload it knows statuses,
names of properties, and that text is trimmed.

Times are whole seconds. The text leaves some points open, which the console and the model decide alike:

- An event without a timestamp happens at its receipt, and never before the newest event of its alert.
- Of events with the same time, the one stored later is newer.
- A life starts at its `started_at`. An older event belongs to the oldest former life that has a newer event (or, for an
  `ok`, an equally new one), else to the current life: a former life is never active again.
- A manual resolve is a line of the log: `ok`, without tags or content, never before the newest event. Its undo removes
  the line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

SEVERITY = {"ok": 0, "acknowledged": 1, "unknown": 2, "warning": 3, "critical": 4}
PRIMARY = ("host", "service", "application", "device")
SECONDARY = ("check", "sensor")
NO_TAG = {"status", "timestamp", "app_key", "incident_identifier", "primary_property", "secondary_property"}
REOPEN_WINDOW = 48 * 3600

Identity = tuple[str, ...]


class Unusable(Exception):
    """An item that is rejected."""


@dataclass
class Line:
    """A stored event."""

    at: int
    order: int  # of storing
    status: str
    tags: dict[str, Any]
    content: object  # None for a manual resolve
    undone: bool = False


class State(NamedTuple):
    """The state that results from the events of a life."""

    status: str
    severity: str
    tags: dict[str, Any]
    started_at: int
    changed_at: int
    ended_at: int | None


@dataclass
class Life:
    """An alert: all of its stored events."""

    lines: list[Line] = field(default_factory=list)

    def in_order(self) -> list[Line]:
        return sorted((line for line in self.lines if not line.undone), key=lambda line: (line.at, line.order))

    @property
    def newest(self) -> Line:
        return self.in_order()[-1]

    @property
    def state(self) -> State:
        lines = self.in_order()
        statuses = [line.status for line in lines]
        changes = [place for place in range(len(lines)) if place == 0 or statuses[place] != statuses[place - 1]]
        active = [line.at for line in lines if line.status != "ok"]
        tags: dict[str, Any] = {}
        for line in lines:
            tags.update(line.tags)
        changed_at = lines[changes[-1]].at
        return State(
            status=statuses[-1],
            severity=max(statuses, key=SEVERITY.__getitem__),
            tags=tags,
            started_at=active[0] if active else lines[0].at,
            changed_at=changed_at,
            ended_at=changed_at if statuses[-1] == "ok" else None,
        )


class Model:
    """All lives of all identities."""

    def __init__(self) -> None:
        self.lives: dict[Identity, list[Life]] = {}
        self.stored = 0

    def post(self, items: list[dict[str, Any]], *, app_key: str, now: int) -> int:
        """Store the items of a request in their order. Return the status code of the reply."""
        outcomes: list[bool | None] = []
        for item in items:
            try:
                outcomes.append(self._store(item, app_key, now))
            except Unusable:
                outcomes.append(None)
        if True in outcomes:
            return 201
        return 204 if False in outcomes else 400

    def _store(self, item: dict[str, Any], app_key: str, now: int) -> bool:
        """Store an event. Return False for a duplicate."""
        status, tags = read_status(item), read_tags(item)
        primary, secondary = read_properties(item, tags)
        identifier = text(item.get("incident_identifier"))
        if identifier:
            identity: Identity = (app_key, identifier)
        else:
            identity = (app_key, primary, shown(tags[primary]), secondary, shown(tags.get(secondary, "")))
        content = (status, primary, secondary, tags)
        timestamp = item.get("timestamp")  # whole seconds, or None

        lives = self.lives.setdefault(identity, [])
        if not lives or self._begins_anew(lives[-1], status, timestamp, now):
            lives.append(Life())
            life = lives[-1]
        else:
            life = self._life_of(lives, status, timestamp)
            if timestamp is None:
                if life.newest.content == content:
                    return False
            elif any(line.at == timestamp and line.content == content for line in life.lines):
                return False
        self.stored += 1
        life.lines.append(Line(self._time_in(life, timestamp, now), self.stored, status, tags, content))
        return True

    @staticmethod
    def _time_in(life: Life, timestamp: int | None, now: int) -> int:
        if timestamp is not None:
            return timestamp
        return max([now, *(line.at for line in life.in_order())])

    def _begins_anew(self, current: Life, status: str, timestamp: int | None, now: int) -> bool:
        """Return whether an active event is the newest and too late after the end to reopen."""
        ended_at, at = current.state.ended_at, self._time_in(current, timestamp, now)
        if status == "ok" or ended_at is None or at < current.newest.at:
            return False
        return at - ended_at > REOPEN_WINDOW

    @staticmethod
    def _life_of(lives: list[Life], status: str, timestamp: int | None) -> Life:
        *former, current = lives
        if timestamp is not None and timestamp < current.state.started_at:
            for life in former:
                if timestamp < life.newest.at or (timestamp == life.newest.at and status == "ok"):
                    return life
        return current

    def resolve(self, places: list[tuple[Identity, int]], *, now: int) -> list[Line]:
        """Resolve alerts manually where they are active."""
        ended = []
        for identity, number in places:
            life = self.lives[identity][number - 1]
            if life.state.status != "ok":
                self.stored += 1
                ended.append(Line(max(now, life.newest.at), self.stored, "ok", {}, None))
                life.lines.append(ended[-1])
        return ended


def read_status(item: dict[str, Any]) -> str:
    status = text(item.get("status")).lower()
    if status not in SEVERITY:
        raise Unusable
    return status


def read_tags(item: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [text(each) for each in value] if isinstance(value, list) else text(value)
        for name, value in item.items()
        if name not in NO_TAG and value is not None
    }


def read_properties(item: dict[str, Any], tags: dict[str, Any]) -> tuple[str, str]:
    """Return the names of the primary and the secondary property."""
    primaries = [name for name in (text(item.get("primary_property")), *PRIMARY) if tags.get(name)]
    secondaries = [name for name in (text(item.get("secondary_property")), *SECONDARY) if tags.get(name)]
    if not primaries:
        raise Unusable
    return primaries[0], secondaries[0] if secondaries else ""


def text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def shown(value: object) -> str:
    return " | ".join(value) if isinstance(value, list) else str(value)
