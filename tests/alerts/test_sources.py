"""No payload makes a source raise anything but its declared error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.events import EventRejected
from alerts.sources import SOURCES, bigpanda
from alerts.sources.reading import severity

PAYLOADS = Path(__file__).parent / "payloads"
EXAMPLES = int(os.environ.get("SOURCE_EXAMPLES", "60"))  # for each source
AT = datetime(2026, 11, 24, tzinfo=UTC)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec=None), max_size=20),
    st.sampled_from(["0001-01-01T00:00:00Z", "9" * 400, "http://[", "resolved", "[]", "{}", "a:b:c", "\x00", "\ud800", "now:"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)

pytestmark = pytest.mark.any_database


def recorded(tool: str) -> list[Any]:
    read: dict[str, Callable[[str], Any]] = {
        ".json": json.loads,
        ".form": lambda text: dict(parse_qsl(text)),
        ".eml": str.encode,
    }
    return [read[file.suffix](file.read_text("utf-8")) for file in sorted((PAYLOADS / tool).glob("*"))]


def places(payload: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return every place in a payload, from the whole payload to its leaves."""
    inside = payload.items() if isinstance(payload, dict) else enumerate(payload) if isinstance(payload, list) else ()
    return [path, *(place for name, each in inside for place in places(each, (*path, name)))]


@st.composite
def broken(draw: st.DrawFn, payloads: list[Any]) -> Any:
    """Return a recorded payload with up to three places changed or removed."""
    payload = deepcopy(draw(st.sampled_from(payloads)))
    if isinstance(payload, bytes):
        cut = draw(st.integers(0, len(payload)))
        return payload[:cut] + draw(st.binary(max_size=30)) + payload[cut + draw(st.integers(0, 9)) :]
    for _ in range(draw(st.integers(1, 3))):
        *steps, last = draw(st.sampled_from([place for place in places(payload) if place] or [("x",)]))
        at = payload
        for step in steps:
            at = at[step]
        if isinstance(at, dict) and draw(st.booleans()):
            at.pop(last, None)
        else:
            at[last] = draw(values)
    return payload


@pytest.mark.parametrize("tool", SOURCES)
def test_a_source_reads_any_payload_or_rejects_it(tool: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(st.one_of(broken(recorded(tool)), broken(recorded(tool)), values, st.binary(max_size=200)))
    def read(payload: Any) -> None:
        with suppress(EventRejected):
            alerts = SOURCES[tool].normalize(payload)
            assert alerts
            for alert in alerts:
                bigpanda.normalize(alert, received_at=AT, may_follow=True)

    read()


@pytest.mark.parametrize("tool", SOURCES)
def test_a_source_does_not_change_its_payload(tool: str) -> None:
    for payload in recorded(tool):
        before = deepcopy(payload)
        first, again = SOURCES[tool].normalize(payload), SOURCES[tool].normalize(payload)
        assert first == again
        assert payload == before


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Page", "critical"),
        (" P1 ", "critical"),
        ("high", "critical"),
        ("average", "warning"),
        ("INFO", "warning"),
        ("resolved", "ok"),
        ("No Data", "unknown"),
        ("ack", "acknowledged"),
        ("whatever", "critical"),
        ("", "critical"),
        (None, "critical"),
        (7, "critical"),
    ],
)
def test_a_word_for_a_severity_is_a_status_and_an_unknown_word_is_critical(word: object, status: str) -> None:
    assert severity(word) == status


@pytest.mark.parametrize(
    ("subject", "status", "about"),
    [
        ("** PROBLEM Service Alert: web-1/HTTP is CRITICAL **", "critical", "service alert: web-1/http"),
        ("** RECOVERY Service Alert: web-1/HTTP is OK **", "ok", "service alert: web-1/http"),
        ("** ACKNOWLEDGEMENT Service Alert: web-1/HTTP is CRITICAL **", "acknowledged", "service alert: web-1/http"),
        ("[FIRING:1] Disk of web-1", "critical", "disk of web-1"),
        ("[RESOLVED] Disk of web-1", "ok", "disk of web-1"),
        ("=?utf-8?b?V0FSTklORzogw5Zs?=", "warning", "öl"),
        ("Fwd: RE: Backup failed", "critical", "backup"),
        ("Backup is OK", "ok", "backup"),
        ("Tokyo upgrade", "critical", "tokyo upgrade"),
        ("CRITICAL", "critical", "critical"),
    ],
)
def test_the_words_of_a_subject_give_status_and_identifier(subject: str, status: str, about: str) -> None:
    message = Message()
    message["Subject"] = subject
    [alert] = SOURCES["email"].normalize(message.as_bytes())
    assert (alert["status"], alert["incident_identifier"].strip()) == (status, about)


@pytest.mark.parametrize("charset", ["no-such-charset", "undefined", "hex", "\0utf-8", "ut\0f-8"])
def test_a_mail_in_an_unknown_charset_is_read_as_utf_8(charset: str) -> None:
    mail = f"From: backup@example.com\nSubject: Backup of vault failed\nContent-Type: text/plain; charset={charset}\n\nHöst: vault-1\n"
    [alert] = SOURCES["email"].normalize(mail.encode())
    assert alert["description"] == "Höst: vault-1"
