"""Amazon SNS at the door: is it SNS who speaks, and does it ask whether we subscribed?

Only https://sns.<region>.amazonaws.com is ever asked, in the region of the topic; nothing in a message can make us ask another host.
"""

from __future__ import annotations

import re
import ssl
import threading
import urllib.request
from http import HTTPStatus
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit

from rest_framework.exceptions import APIException

from alerts.api.rsa import BadCertificate, PublicKey, key_of
from alerts.events import EventRejected
from alerts.sources.reading import as_object, required, text_at

_ARN = re.compile(r"arn:aws:sns:([a-z]{2}(?:-[a-z]+)+-\d):\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9a-f]{16,64}\.pem")
_DIGESTS = {"1": "sha1", "2": "sha256"}
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
SECONDS, LIMIT = 5, 64 * 1024  # of an answer
KEYS_PER_HOST = 2  # SNS changes its certificate now and then; the one before may still sign what is on its way

_keys: dict[str, dict[str, PublicKey]] = {}  # pinned: host -> address of a certificate -> its key
_lock = threading.Lock()


class SnsAway(APIException):
    """SNS sends again by itself what was not taken."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = (
        "SNS could not be asked for its certificate just now, so its message was not taken. It will be sent again."
    )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def fetch(url: str) -> str:
    """What SNS answers at one of its own addresses. The one place where a source asks anything of the network. Raises OSError."""
    opener = urllib.request.build_opener(
        _NoRedirects, urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    with opener.open(url, timeout=SECONDS) as answer:
        content: bytes = answer.read(LIMIT)
    return content.decode("utf-8", "replace")


def admit(payload: object) -> bool:
    """Whether the message is a notification to be read; a subscription is confirmed, and the end of one is only noted.

    Raises EventRejected where it is not SNS who speaks, and SnsAway where that cannot be told now.
    """
    message = as_object(payload)
    kind, arn = required(message, "Type"), required(message, "TopicArn")
    if kind not in _SIGNED:
        raise EventRejected("Type", f"must be one of {', '.join(_SIGNED)}")
    found = _ARN.fullmatch(arn)
    if not found:
        raise EventRejected("TopicArn", "must be the ARN of a standard SNS topic")
    host = f"sns.{found[1]}.amazonaws.com"
    _verify(message, kind, host)
    if kind == "SubscriptionConfirmation":
        # The address is made here: what stands in SubscribeURL is never asked.
        query = {"Action": "ConfirmSubscription", "TopicArn": arn, "Token": required(message, "Token")}
        _ask(f"https://{host}/?{urlencode(query)}")
    return kind == "Notification"


def _verify(message: dict[str, Any], kind: str, host: str) -> None:
    digest = _DIGESTS.get(text_at(message, "SignatureVersion"))
    if digest is None:
        raise EventRejected("SignatureVersion", "must be 1 or 2")
    signed = "".join(f"{name}\n{message[name]}\n" for name in _SIGNED[kind] if message.get(name) is not None)
    key = _key(required(message, "SigningCertURL"), host)
    if not key.verifies(required(message, "Signature"), signed.encode("utf-8", "surrogatepass"), digest):
        raise EventRejected("Signature", "is not the signature of SNS under this message")


def _key(url: str, host: str) -> PublicKey:
    """The key of the host's certificate, asked for once."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if (parts.scheme, parts.netloc) != ("https", host) or parts.query or not _CERTIFICATE.fullmatch(parts.path):
        raise EventRejected("SigningCertURL", f"must be a certificate at https://{host}, the region of the topic")
    with _lock:
        pinned = _keys.setdefault(host, {})
        if url not in pinned:
            try:
                key = key_of(_ask(url))
            except BadCertificate as error:
                raise EventRejected("SigningCertURL", f"cannot be used: {error}") from error
            while len(pinned) >= KEYS_PER_HOST:
                del pinned[next(iter(pinned))]
            pinned[url] = key
        return pinned[url]


def _ask(url: str) -> str:
    try:
        return fetch(url)
    except (URLError, OSError, ValueError) as error:
        raise SnsAway from error
