"""E-mail: a MIME message, as a mail server pipes it. The subject has the status and names the object of the alert.

Python's parser takes the square of a mail's size for some mails, and overflows for others. So headers, lines and
parts have limits here, which no mail of a monitoring tool reaches.
"""

from __future__ import annotations

import html
import re
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.policy import Compat32
from email.utils import parseaddr, parsedate_to_datetime

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, alert_object, object_at, text_at

# The first rule that matches a subject decides. Words of an end come first, because an end often names the status that
# it ends ("CRITICAL resolved").
RULES = (
    (
        "ok",
        r"resolved|recovered|recovery|cleared|closed|ended|back up|up again|is up|is ok|\bok\b|\[ok\]|normal|\bup\b",
    ),
    ("acknowledged", r"acknowledge(?:d|ment)|\back\b"),
    ("critical", r"critical|crit|fatal|emergency|disaster|down|failed|failure|error|problem|firing|alarm|high"),
    ("warning", r"warning|warn|degraded|minor|info"),
    ("unknown", r"unknown|unreachable|no data"),
)
_WORDS = re.compile("|".join(rf"(?:{rule})" for _, rule in RULES), re.IGNORECASE)
_NOISE = re.compile(r"^(?:(?:re|aw|fw|fwd|wg)\s*:\s*)+", re.IGNORECASE)
_FIELD = re.compile(r"^\s*([A-Za-z][A-Za-z0-9_ -]{0,40})\s*[:=]\s+(\S.{0,500})$")
FIELDS, BODY_LIMIT = 30, 2000
HEADER_LIMIT, FIELD_LIMIT = 4000, 600  # characters of one header, and of a line that can be a field
LINES, PARTS, NESTED = 100_000, 200, 40  # 6 MB of attachments have 80,000 lines
_PART, _NESTED = re.compile(rb"^content-type", re.IGNORECASE | re.MULTILINE), re.compile(rb"multipart/", re.IGNORECASE)
HOST = ("host", "hostname", "device", "server")


def normalize(payload: object) -> list[AlertObject]:
    """Return one alert for a message. Lines `Name: value` of its text become tags, and `Host:` names the object."""
    message = _message(payload)
    subject = _NOISE.sub("", _header(message, "Subject")).strip()
    if not subject:
        raise EventRejected("Subject", "is required: its words tell the status, and what the mail is about")
    body = _body(message)
    fields = dict(_fields(body))
    sender = _sender(message)
    about = _about(subject)
    host = next((fields[name] for name in HOST if name in fields), "")
    tags = {
        **fields,
        "host": host,
        "service": sender or "e-mail",
        "check": fields.get("service") or fields.get("check") or about,
        "description": body[:BODY_LIMIT] or subject,
        "subject": subject,
        "sender": sender,
    }
    status = _status(subject) or _status(fields.get("status", "")) or "critical"
    return [
        alert_object(
            status,
            tags,
            primary="host" if host else "service",
            identifier=f"{sender} {about.lower()}"[:500],
            at=_date(message),
        )
    ]


def _message(payload: object) -> Message:
    if isinstance(payload, dict):  # a mail gateway that posts JSON or a form
        raw = text_at(payload, "raw", "email", "mime", "body-mime")
        if raw:
            return _parsed(raw.encode("utf-8", "replace"))
        message = Message()
        for name, path in (("Subject", "subject"), ("From", "from"), ("Date", "date")):
            sent = text_at(payload, path) or text_at(object_at(payload, "headers"), path)
            message[name] = " ".join(sent.encode("utf-8", "replace").decode().split())[:HEADER_LIMIT]
        message.set_payload(text_at(payload, "body-plain", "plain", "text", "body").encode("utf-8", "replace"))
        return message
    if isinstance(payload, str):
        payload = payload.encode("utf-8", "replace")
    if not isinstance(payload, bytes):
        raise EventRejected("payload", "must be a MIME message")
    return _parsed(payload)


class _ShortHeaders(Compat32):
    """A policy that cuts long headers."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, str(value)[:HEADER_LIMIT]


def _parsed(raw: bytes) -> Message:
    if raw.count(b"\n") + raw.count(b"\r") > 2 * LINES:
        raise EventRejected("payload", f"has too many lines; at most {LINES:,} are read")
    if len(_PART.findall(raw)) > PARTS or len(_NESTED.findall(raw)) > NESTED:
        raise EventRejected("payload", f"has too many parts; at most {PARTS} are read, and {NESTED} that have parts")
    try:
        return message_from_bytes(raw, policy=_ShortHeaders())
    except RecursionError as error:
        raise EventRejected("payload", "is nested too deeply") from error


def _sender(message: Message) -> str:
    try:
        return parseaddr(_header(message, "From"))[1].lower()
    except Exception:  # noqa: BLE001 - the library raises many kinds of errors for broken headers
        return ""


def _header(message: Message, name: str) -> str:
    sent = ""
    try:
        sent = str(message.get(name, ""))
        parts = decode_header(sent)
        decoded = "".join(part if isinstance(part, str) else _decoded(part, charset) for part, charset in parts)
    except Exception:  # noqa: BLE001 - as above
        decoded = sent
    return " ".join(decoded.split())


def _decoded(part: bytes, charset: str | None) -> str:
    try:
        return part.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):  # a name that is no charset
        return part.decode("utf-8", "replace")


def _body(message: Message) -> str:
    """Return the plain text, or the text of the HTML."""
    found = {part.get_content_type(): part for part in reversed(list(message.walk())) if not part.is_multipart()}
    part = found.get("text/plain") or found.get("text/html")
    if part is None:
        return ""
    content = part.get_payload(decode=True)
    text = _decoded(content, _charset(part)) if isinstance(content, bytes) else ""
    if part.get_content_type() == "text/html":
        text = html.unescape(re.sub(r"<(?:br|/p|/div|/tr)[^<>]*>", "\n", text, flags=re.IGNORECASE))
        text = re.sub(r"<[^<>]{0,1000}>", " ", text)
    return "\n".join(line.strip() for line in text.splitlines()).strip()


def _charset(part: Message) -> str | None:
    try:
        return part.get_content_charset()
    except Exception:  # noqa: BLE001 - as above
        return None


def _fields(body: str) -> list[tuple[str, str]]:
    matches = (_FIELD.match(line) for line in body.splitlines()[: FIELDS * 4] if len(line) <= FIELD_LIMIT)
    return [
        (match[1].strip().lower().replace(" ", "_").replace("-", "_"), match[2].strip()) for match in matches if match
    ][:FIELDS]


def _status(words: str) -> str:
    return next((status for status, rule in RULES if re.search(rf"(?<!\w)(?:{rule})(?!\w)", words, re.IGNORECASE)), "")


def _about(subject: str) -> str:
    """Return the subject without its words of status, so that a problem and its recovery have the same identifier."""
    bare = re.sub(rf"\[[^\[\]]*(?<!\w)(?:{_WORDS.pattern})(?!\w)[^\[\]]*\]", " ", subject, flags=re.IGNORECASE)
    bare = re.sub(rf"(?<!\w)(?:{_WORDS.pattern})(?!\w)", " ", bare, flags=re.IGNORECASE)
    bare = re.sub(r"\(\s*\)|\[\s*\]|\*+|\bis\b\s*$", " ", re.sub(r"\s+", " ", bare).strip(" *-:!.[]()"))
    return " ".join(bare.split()).strip(" *-:!.") or subject


def _date(message: Message) -> object:
    try:
        return parsedate_to_datetime(_header(message, "Date")).timestamp()
    except Exception:  # noqa: BLE001 - as above; the time of receipt replaces the date
        return None
