"""Messages of Amazon SNS: the check of their signatures, and the confirmation of subscriptions.

Requests go only to https://sns.<region>.amazonaws.com in the region of the topic. No field of a message can cause a
request to another host.
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
TIMEOUT_SECONDS, BYTES_LIMIT = 5, 64 * 1024  # of a request to SNS
KEYS_PER_HOST = 2  # after SNS changed its certificate, messages signed with the former one may still arrive

_keys: dict[str, dict[str, PublicKey]] = {}  # by host and by the URL of the certificate
_lock = threading.Lock()  # of the keys; never held during a request
# Threads of the pages that wait for SNS at once. For further messages SNS is away, and it sends them again.
_places = threading.BoundedSemaphore(2)


class SnsAway(APIException):
    """A reply after which SNS sends the message again."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = (
        "SNS could not be asked for its certificate just now, so its message was not taken. It will be sent again."
    )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def fetch(url: str) -> str:
    """Return the reply of SNS at one of its own addresses. Raise OSError."""
    opener = urllib.request.build_opener(
        _NoRedirects, urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    with opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
        content: bytes = answer.read(BYTES_LIMIT)
    return content.decode("utf-8", "replace")


def admit(payload: object) -> bool:
    """Check a message. Return whether the message is a notification, which has an alarm to read.

    Confirm a subscription. Raise EventRejected for a message that SNS did not sign, and SnsAway where SNS does not
    answer.
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
        # The URL is built here. The SubscribeURL of the message is never requested.
        query = {"Action": "ConfirmSubscription", "TopicArn": arn, "Token": required(message, "Token")}
        _request(f"https://{host}/?{urlencode(query)}")
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
    """Return the key of a certificate, which is requested once."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if (parts.scheme, parts.netloc) != ("https", host) or parts.query or not _CERTIFICATE.fullmatch(parts.path):
        raise EventRejected("SigningCertURL", f"must be a certificate at https://{host}, the region of the topic")
    if key := _keys.get(host, {}).get(url):
        return key
    try:
        key = key_of(_request(url))
    except BadCertificate as error:
        raise EventRejected("SigningCertURL", f"cannot be used: {error}") from error
    with _lock:
        pinned = _keys.setdefault(host, {})
        while len(pinned) >= KEYS_PER_HOST and url not in pinned:
            del pinned[next(iter(pinned))]
        pinned[url] = key
    return key


def _request(url: str) -> str:
    if not _places.acquire(blocking=False):
        raise SnsAway
    try:
        return fetch(url)
    except (URLError, OSError, ValueError) as error:
        raise SnsAway from error
    finally:
        _places.release()
