"""Mails that are made to keep a parser busy, or to overflow it, get a quick and clear answer."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.models import Alert
from tests.conftest import Send

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
HEAD = b"From: monitor@example.com\nSubject: web-1 down\n"
HTML = HEAD + b"Content-Type: text/html\n\n"


def nested(levels: int) -> bytes:
    parts = (b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(levels))
    return HEAD + b"".join(parts) + b"\nCPU is hot\n"


@pytest.mark.parametrize(
    "mail",
    [
        b"Subject: " + b"=?utf-8?q?down?= " * 300_000 + b"\n\nCPU is hot",
        b"Subject: web-1 down\nFrom: " + b"( " * 100_000 + b"\n\nCPU is hot",
        b"Subject: web-1 down\nDate: " + b"( " * 100_000 + b"\n\nCPU is hot",
        HEAD + b"Content-Type: multipart/mixed" + b";" * 1_000_000 + b"\n\nCPU is hot",
        HTML + b"<" * 5_000_000,
        HTML + b"<br" * 1_500_000,
        HEAD + b"\na" + b" " * 5_000_000,
    ],
    ids=["subject", "sender", "date", "parameters", "tags", "line breaks", "spaces"],
)
def test_a_mail_that_keeps_a_parser_busy_is_an_alert(send: Send, app_key: Any, mail: bytes) -> None:
    path = f"/oim/email/alerts?app_key={app_key.secret}"
    assert send(mail, path=path, content_type="message/rfc822").status_code == 201
    assert len(Alert.objects.get().tags["subject"]) <= 512


@pytest.mark.parametrize(
    ("mail", "words"),
    [
        (nested(3000), "too many parts"),
        (HEAD + b"Content-Type: message/rfc822\n\n" * 3000, "too many parts"),
        (HEAD + b"\n" * 1_000_000, "too many lines"),
        (b"Subject: " + b"re: " * 10_000 + b"\n\nCPU is hot", "Subject"),
    ],
    ids=["nested parts", "mails in mails", "lines", "only re"],
)
def test_a_mail_that_overflows_a_parser_is_refused(send: Send, app_key: Any, mail: bytes, words: str) -> None:
    reply = send(mail, path=f"/oim/email/alerts?app_key={app_key.secret}", content_type="message/rfc822")
    assert (reply.status_code, words in reply.json()["error"]) == (400, True)


def test_a_mail_as_json_may_have_a_subject_that_is_no_text(send: Send, app_key: Any) -> None:
    sent = {"subject": "web-1 down \ud800", "from": "monitor@example.com", "plain": "CPU is hot"}
    assert send(sent, path=f"/oim/email/alerts?app_key={app_key.secret}").status_code == 201
