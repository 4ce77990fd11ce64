"""Any stream of events, compared with a model of the rules of docs/how-it-works.md §2.

Events are shuffled, repeated, split into batches, with timestamps or without. `HYPOTHESIS_PROFILE=long` plays thousands
of streams.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.test import Client, TestCase
from hypothesis import HealthCheck, currently_in_test_context, given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from alerts.events import Status
from alerts.models import Alert, Event
from appkeys.models import AppKey, OrgToken
from incidents import actions
from incidents.correlation import worker
from incidents.models import Activity, Incident
from people.models import BuiltIn, Role, User
from tests.alerts.model import Line, Model

MINUTE, HOUR = 60, 3600
START = int(time.time()) // HOUR * HOUR
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


def examples(few: int, many: int) -> settings:
    return settings(
        max_examples=many if LONG else few,
        stateful_step_count=40 if LONG else 20,
        deadline=None,
        database=None,
        derandomize=not LONG,
        suppress_health_check=list(HealthCheck),
    )


# --- requests

OBJECTS: list[dict[str, Any]] = [
    {"host": "web-1"},
    {"host": "web-1", "check": "cpu"},
    {"host": " web-1 ", "sensor": "cpu"},
    {"host": "WEB-1", "check": "cpu"},
    {"application": "shop", "service": "web-1"},
    {"pod": "p-1", "host": "web-1", "primary_property": "pod"},
    {"host": "web-2", "check": "cpu", "cluster": "east"},
    {"host": "web-3", "check": "cpu", "cluster": "east"},
    {"host": "web-2", "incident_identifier": "INC-7"},
    {"host": "web-3", "check": "disk", "incident_identifier": "INC-7"},
]
STATUSES = ["ok", "critical", "warning", "ok", "unknown", "acknowledged", " Critical ", "OK"]
TAGS = {
    "description": st.sampled_from(["slow", " slow", "down", ""]),
    "owner": st.sampled_from(["shop", 7, True, None]),
    "rack": st.sampled_from([["r1", "r2"], [], "r1 | r2", "r1"]),
}
AGES = [
    0,
    0,
    1,
    60,
    HOUR,
    24 * HOUR,
    47 * HOUR,
    48 * HOUR,
    48 * HOUR + 1,
    49 * HOUR,
    100 * HOUR,
    150 * HOUR,
    -600,
    -HOUR,
]
UNUSABLE: list[dict[str, Any]] = [
    {"host": "web-1"},
    {"host": "web-1", "status": "on fire"},
    {"status": "critical", "cluster": "east"},
    {"status": "critical", "host": ""},
]
NO_TIMES = [0.5, "yesterday", True, "", None]

objects = st.sampled_from(OBJECTS)
statuses = st.sampled_from(STATUSES)
tags = st.fixed_dictionaries({}, optional=TAGS)
# The timestamp of an event: missing or unreadable, so long ago, or a time that was used before.
moments = st.one_of(
    st.sampled_from(NO_TIMES).map(lambda sent: ("missing", sent)),
    st.sampled_from(AGES).map(lambda age: ("ago", age)),
    st.integers(0, 7).map(lambda back: ("again", back)),
)
time_forms = st.sampled_from(["seconds", "float", "milliseconds", "digits", "rfc3339", "offset"])
usable = st.builds(
    lambda named, status, more, when, wire: (named | more | {"status": status}, when, wire),
    objects,
    statuses,
    tags,
    moments,
    time_forms,
)
drawn_items = st.one_of(
    usable, usable, usable, usable, usable, st.sampled_from(UNUSABLE).map(lambda item: (item, None, ""))
)


def in_form(moment: int, form: str) -> object:
    """Return a time in a form that senders use."""
    match form:
        case "float":
            return float(moment)
        case "milliseconds":
            return moment * 1000
        case "digits":
            return str(moment)
        case "rfc3339":
            return time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(moment))
        case "offset":
            return time.strftime("%Y-%m-%dT%H:%M:%S+02:00", time.gmtime(moment + 2 * HOUR))
        case _:
            return moment


# --- rows


def seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def rows_in_database(app_keys: list[AppKey]) -> list[tuple[Any, ...]]:
    """Return every alert with its log."""
    logs: dict[int, list[tuple[Any, ...]]] = {}
    for event in Event.objects.exclude(kind=Event.Kind.UNDO).order_by("occurred_at", "id"):
        logs.setdefault(event.alert_id, []).append((seconds(event.occurred_at), Status(event.status).label))
    return sorted(
        (
            *(alert.app_key.name, alert.life, alert.is_current),
            *(Status(alert.status).label, Status(alert.severity).label, json.dumps(alert.tags, sort_keys=True)),
            *(seconds(alert.started_at), seconds(alert.changed_at), seconds(alert.ended_at) or 0.0),
            logs[alert.pk],
        )
        for alert in Alert.objects.filter(app_key__in=app_keys).select_related("app_key")
    )


def rows_in_model(model: Model) -> list[tuple[Any, ...]]:
    rows = []
    for (app_key, *_), lives in model.lives.items():
        for number, life in enumerate(lives, start=1):
            state = life.state
            log = [(float(line.at), line.status) for line in sorted(life.lines, key=lambda line: (line.at, line.order))]
            rows.append(
                (
                    *(app_key, number, life is lives[-1], state.status, state.severity),
                    json.dumps(state.tags, sort_keys=True),
                    *(float(state.started_at), float(state.changed_at), float(state.ended_at or 0)),
                    log,
                )
            )
    return sorted(rows)


class Sender:
    """A sender that posts to the endpoint. Correlation runs after each commit."""

    def __init__(self) -> None:
        _, secret = OrgToken.issue(name="Senders")
        self.client = Client(headers={"Authorization": f"Bearer {secret}"})

    def post(self, body: object) -> int:
        with TestCase.captureOnCommitCallbacks(execute=True):
            reply = self.client.post("/data/v2/alerts", json.dumps(body), content_type="application/json")
        assert (reply.content == b"") == (reply.status_code == 204)
        return int(reply.status_code)


class Rollback:
    """A transaction for one example, which is rolled back at the end."""

    def __init__(self) -> None:
        self.transaction = transaction.atomic()
        self.transaction.__enter__()

    def end(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)


class Senders(RuleBasedStateMachine):
    """Senders, time and people, compared with the model."""

    def __init__(self) -> None:
        super().__init__()
        self.rollback = Rollback()
        self.now = START
        self.travel = time_machine.travel(datetime.fromtimestamp(START, UTC), tick=False)
        self.clock = self.travel.start()
        self.model = Model()
        self.times: list[int] = [START]
        self.sent: list[tuple[str, bool, list[tuple[dict[str, Any], dict[str, Any]]]]] = []
        self.resolved: list[tuple[Activity, list[Line]]] = []

    @initialize()
    def create_senders(self) -> None:
        self.sender = Sender()
        self.by = User.objects.create_user("rosa", role=Role.objects.built_in(BuiltIn.RESPONDER))
        self.secrets: dict[str, str] = {}
        self.app_keys: list[AppKey] = []
        for name in ("Nagios", "Zabbix"):
            key, self.secrets[name] = AppKey.issue(name=name)
            self.app_keys.append(key)

    def teardown(self) -> None:
        self.travel.stop()
        self.rollback.end()

    @rule(
        drawn=st.lists(drawn_items, min_size=1, max_size=5),
        app_key=st.sampled_from(["Nagios", "Nagios", "Zabbix"]),
        batch=st.booleans(),
    )
    def send(self, drawn: list[Any], app_key: str, batch: bool) -> None:
        """Send a batch, or one request per item."""
        items = [self._timed(*each) for each in drawn]
        for part in [items] if batch else [[item] for item in items]:
            self._post(app_key, batch, part)

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(0, 9))
    def send_again(self, back: int) -> None:
        self._post(*self.sent[-1 - back % len(self.sent)])

    @rule(by=st.sampled_from([1, MINUTE, HOUR, 25 * HOUR, 49 * HOUR]))
    def time_passes(self, by: int) -> None:
        self.now += by
        self.clock.shift(timedelta(seconds=by))

    @precondition(lambda self: Incident.objects.filter(resolved_at=None).exists())
    @rule(which=st.integers(0, 9))
    def resolve_manually(self, which: int) -> None:
        still_open = list(Incident.objects.filter(resolved_at=None).order_by("pk"))
        incident = still_open[which % len(still_open)]
        places = self._places(incident)
        show(f"resolve manually: {places}")
        with TestCase.captureOnCommitCallbacks(execute=True):
            activity = actions.resolve(incident, by=self.by)
        self.resolved.append((activity, self.model.resolve(places, now=self.now)))

    @precondition(lambda self: self.resolved)
    @rule(back=st.integers(0, 3))
    def undo_a_resolve(self, back: int) -> None:
        activity, lines = self.resolved[-1 - back % len(self.resolved)]
        incident = Incident.objects.get(pk=activity.incident_id)
        latest = [each for each, _ in self.resolved if each.incident_id == incident.pk][-1]
        again = any(line.undone for line in lines) or incident.resolved_by_id is None or activity != latest
        try:
            with TestCase.captureOnCommitCallbacks(execute=True):
                actions.undo(activity, by=self.by)
        except actions.InvalidTransition:
            assert again
        else:
            assert not again
            for line in lines:
                line.undone = True

    @invariant()
    def alerts_are_what_the_model_says(self) -> None:
        if hasattr(self, "sender"):
            assert rows_in_database(self.app_keys) == rows_in_model(self.model)

    @invariant()
    def incidents_count_their_alerts(self) -> None:
        assert_incidents_match_alerts()

    def _timed(
        self, item: dict[str, Any], when: tuple[str, Any] | None, form: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return an item as it is sent, and as the model reads it."""
        match when:
            case None:
                return item, item
            case ("missing", sent):
                return {**item, "timestamp": sent}, item
            case ("ago", age):
                moment = self.now - int(age)
                self.times.append(moment)
            case (_, back):
                moment = self.times[-1 - back % len(self.times)]
        return {**item, "timestamp": in_form(moment, form)}, {**item, "timestamp": moment}

    def _post(self, app_key: str, batch: bool, items: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        self.sent.append((app_key, batch, items))
        secret, wire = self.secrets[app_key], [sent for sent, _ in items]
        show(f"{self.now - START:+} {app_key} {json.dumps(wire)}")
        expected = self.model.post([read for _, read in items], app_key=app_key, now=self.now)
        body = {"app_key": secret, "alerts": wire} if batch else {"app_key": secret, **wire[0]}
        assert self.sender.post(body) == expected

    def _places(self, incident: Incident) -> list[tuple[tuple[str, ...], int]]:
        """Return the alerts of an incident as places in the model, found by equal tags and logs."""
        found = []
        for alert in incident.alerts.select_related("app_key"):
            log = Counter(seconds(event.occurred_at) for event in alert.events.exclude(kind=Event.Kind.UNDO))
            same = [
                identity
                for identity, lives in self.model.lives.items()
                if identity[0] == alert.app_key.name
                and len(lives) >= alert.life
                and lives[alert.life - 1].state.tags == alert.tags
                and Counter(float(line.at) for line in lives[alert.life - 1].lines) == log
            ]
            # Alerts of one App Key with the same tags are the same alert, unless one was sent with an identifier.
            found.append(
                (
                    same[0] if len(same) == 1 else next(one for one in same if named_like(one, alert.identifier)),
                    alert.life,
                )
            )
        return found


def show(line: str) -> None:
    """Show a line with a failing stream."""
    if currently_in_test_context():
        note(line)


def named_like(identity: tuple[str, ...], identifier: str) -> bool:
    return (len(identity) == 2) == (identity[-1] == identifier)


def assert_incidents_match_alerts() -> None:
    """Check that each alert that was active is in one incident, and that incidents count their alerts."""
    assert worker.correlate_behind() == 0
    members: dict[int, list[Alert]] = {}
    for alert in Alert.objects.all():
        was_active = alert.severity != Status.OK
        assert (alert.incident_id is not None) == was_active
        if alert.incident_id is not None:
            members.setdefault(alert.incident_id, []).append(alert)
    for incident in Incident.objects.all():
        alerts = members[incident.pk]
        counts = Counter(alert.status for alert in alerts)
        active = sum(alert.status != Status.OK for alert in alerts)
        assert incident.status_counts == [counts[status] for status in Status]
        assert (incident.alerts_count, incident.active_count) == (len(alerts), active)
        assert incident.is_open == (active > 0)
        assert incident.status == max(counts)
        assert incident.severity == max(alert.severity for alert in alerts)
        assert incident.started_at == min(alert.started_at for alert in alerts)


def test_any_stream_has_the_result_of_the_rules(db: None) -> None:
    run_state_machine_as_test(Senders, settings=examples(25, 2500))


# --- named streams: a step is (status, seconds ago or None, tags), a time that passes, or an action

Step = tuple[str, int | None, dict[str, Any]] | int | str
DAY = 24 * HOUR
ENDED_LONG_AGO: list[Step] = [("critical", 6 * DAY, {}), ("ok", 4 * DAY, {})]


def play(*steps: Step) -> list[tuple[Any, ...]]:
    """Play steps. Return the resulting alerts as rows."""
    machine = Senders()
    try:
        machine.create_senders()
        for step in steps:
            match step:
                case (status, ago, named):
                    when = ("missing", None) if ago is None else ("ago", ago)
                    item = machine._timed({"host": "web-1", "status": status, **named}, when, "seconds")
                    machine._post("Nagios", False, [item])
                case int(passes):
                    machine.time_passes(by=passes)
                case "resolve":
                    machine.resolve_manually(which=0)
                case _:
                    machine.undo_a_resolve(back=0)
            machine.alerts_are_what_the_model_says()
            machine.incidents_count_their_alerts()
        return rows_in_database(machine.app_keys)
    finally:
        machine.teardown()


def statuses_of(rows: list[tuple[Any, ...]]) -> list[str]:
    return [row[3] for row in rows]


def test_an_active_event_without_a_time_reopens_a_manually_resolved_alert(db: None) -> None:
    assert statuses_of(play(("critical", None, {}), 1, "resolve", ("critical", None, {}))) == ["critical"]


def test_an_ok_since_the_resolve_outlasts_its_undo(db: None) -> None:
    assert statuses_of(play(("critical", 10, {}), 1, "resolve", 5, ("ok", 0, {}), "undo")) == ["ok"]


def test_a_late_event_between_two_lives_belongs_to_the_later_one(db: None) -> None:
    rows = play(*ENDED_LONG_AGO, ("critical", 0, {}), ("warning", 2 * DAY, {}))
    assert [len(row[-1]) for row in rows] == [2, 2]


def test_an_old_event_again_in_a_former_life_is_a_duplicate(db: None) -> None:
    rows = play(*ENDED_LONG_AGO, ("critical", 0, {}), ("ok", 4 * DAY, {}), ("critical", 6 * DAY, {}))
    assert [len(row[-1]) for row in rows] == [2, 1]


@pytest.mark.parametrize(("late", "lives"), [(0, 1), (1, 2)])
def test_the_last_second_of_the_reopen_window_reopens_and_the_next_one_does_not(
    late: int, lives: int, db: None
) -> None:
    assert len(play(("critical", 3 * DAY, {}), ("ok", 2 * DAY + late, {}), ("critical", 0, {}))) == lives


@pytest.mark.parametrize("ahead", [0, 600])
def test_an_active_event_in_the_second_of_the_newest_ok_begins_a_new_alert_after_the_window(
    ahead: int, db: None
) -> None:
    active: Step = ("critical", None if ahead else 0, {})
    assert statuses_of(play(*ENDED_LONG_AGO, ("ok", -ahead, {"owner": "shop"}), active)) == ["ok", "critical"]


# --- with times, the order of arrival does not matter


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw events of a few identities at distinct times within one reopen window."""
    ages = draw(st.lists(st.integers(0, 40 * HOUR), min_size=2, max_size=12, unique=True))
    named = draw(st.lists(objects, min_size=1, max_size=3))
    return [
        {**draw(st.sampled_from(named)), **draw(tags), "status": draw(statuses), "timestamp": START - age}
        for age in ages
    ]


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[list[int]], list[list[int]]]:
    """Draw a stream and two ways of its arrival: orders with repeats, split into batches."""
    stream = draw(streams())
    ways = []
    for _ in range(2):
        repeats = draw(st.lists(st.integers(0, len(stream) - 1), max_size=3))
        order = draw(st.permutations([*range(len(stream)), *repeats]))
        cuts = sorted(draw(st.sets(st.integers(1, len(order) - 1), max_size=4)))
        ways.append([order[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(order)], strict=True)])
    return stream, ways[0], ways[1]


def test_with_times_any_order_and_any_split_ends_in_the_same_state(db: None) -> None:
    @examples(40, 4000)
    @given(arrivals())
    def check(drawn: tuple[list[dict[str, Any]], list[list[int]], list[list[int]]]) -> None:
        stream, *ways = drawn
        rollback = Rollback()
        try:
            sender, ends = Sender(), []
            for number, way in enumerate(ways):
                app_key, secret = AppKey.issue(name=f"Way {number}")
                for batch in way:
                    assert sender.post({"app_key": secret, "alerts": [stream[place] for place in batch]}) in (201, 204)
                ends.append([row[1:] for row in rows_in_database([app_key])])
            model = Model()
            in_time = sorted(stream, key=lambda item: int(item["timestamp"]))
            model.post(in_time, app_key="Model", now=START)
            ends.append([row[1:] for row in rows_in_model(model)])
            assert ends[0] == ends[1] == ends[2]
            assert_incidents_match_alerts()
        finally:
            rollback.end()

    check()
