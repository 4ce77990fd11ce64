"""Player that sends recorded requests to a console over HTTP, one after another."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from incidents.demo.record import Sending

PATH = "/data/v2/alerts"
TIMEOUT = 30.0  # seconds
QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # on Linux only
TAKEN = frozenset({HTTPStatus.CREATED, HTTPStatus.NO_CONTENT})
# Answers that the next request would get too.
HOPELESS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


class PlayStopped(Exception):
    """A demo that cannot go on, because the console is out of reach or refuses the whole day.

    The message is for people.
    """


@dataclass(slots=True)
class Played:
    """The answers of the console."""

    events: int = 0
    replies: Counter[int] = field(default_factory=Counter)  # requests by HTTP status
    first_refusal: str = ""

    @property
    def refused(self) -> int:
        return sum(count for status, count in self.replies.items() if status not in TAKEN)


class Sender:
    """A kept-alive connection to the Alerts API."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            kind = {"http": HTTPConnection, "https": HTTPSConnection}[parts.scheme]
            self._connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        except (KeyError, ValueError, HTTPException):
            raise PlayStopped(f"{url!r} is no address of a console; it looks like http://127.0.0.1:8000.") from None
        self.url, self._path = url, parts.path.rstrip("/") + PATH

    def connect(self) -> None:
        try:
            self._connection.connect()
        except OSError as error:
            reason = error.strerror or error
            raise PlayStopped(f"Nothing answers at {self.url}: {reason}. Is the console up?") from error

    def send(self, body: object, *, org_token: str) -> tuple[int, str]:
        """Send a request. Return the HTTP status, and the message of an error or empty text."""
        raw = json.dumps(body).encode()
        try:
            return self._exchange(raw, org_token)
        except (OSError, HTTPException):
            # A kept-alive connection may be closed between two requests. A repeated request is only a duplicate.
            self._connection.close()
        try:
            return self._exchange(raw, org_token)
        except (OSError, HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise PlayStopped(f"The console at {self.url} stopped answering: {reason}.") from error

    def close(self) -> None:
        self._connection.close()

    def _exchange(self, raw: bytes, org_token: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {org_token}", "Content-Type": "application/json"}
        self._connection.request("POST", self._path, raw, headers)
        # Django's runserver sends the body of a reply once the head is acknowledged, so acknowledge at once and not
        # after 40 ms.
        if QUICK_ACK is not None and self._connection.sock:
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)
        reply = self._connection.getresponse()
        text = reply.read()
        return reply.status, _message(text) or reply.reason if reply.status >= HTTPStatus.BAD_REQUEST else ""


def play(
    day: Sequence[Sending],
    sender: Sender,
    *,
    org_token: str,
    app_keys: Mapping[str, str],
    ends_at: int,
    progress: Callable[[Played, Sending], None] = lambda played, sending: None,
) -> Played:
    """Send a day that ends at `ends_at`, in Unix seconds, as fast as the console answers.

    A refused request does not stop the other requests. Raise PlayStopped when the console is out of reach, fails, or
    refuses what all requests have in common.
    """
    played = Played()
    for sending in day:
        body = sending.body(app_key=app_keys[sending.source], ends_at=ends_at)
        status, message = sender.send(body, org_token=org_token)
        if status in HOPELESS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # The secrets were just stored, so a console that does not know the secrets uses another database.
            hint = " Does it run on another database?" if status == HTTPStatus.UNAUTHORIZED else ""
            raise PlayStopped(
                f"The console at {sender.url} answered {status} to event {played.events + 1}: {message}{hint}"
            )
        played.replies[status] += 1
        played.events += len(sending.alerts)
        played.first_refusal = played.first_refusal or message
        progress(played, sending)
    return played


def _message(text: bytes) -> str:
    """Return the message of an error of the Alerts API, or empty text for an answer of another program."""
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return ""
