"""The last use of each secret, to some seconds, and the addresses that org tokens are used from.

Thousands of requests per second cost one write.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from appkeys.models import AppKey, OrgToken
from db.background_buffer import BackgroundBuffer
from people import key_use
from people.audit import ADDRESS_LIMIT

WRITTEN_EVERY = timedelta(seconds=10)
ADD_UP_AT = 500  # uses

Secrets = tuple[tuple[str, ...], str]  # the digests of the secrets of one request, and its address

_written: dict[str, datetime] = {}  # by digest


def record(digests: Iterable[str], address: str = "") -> None:
    """Record that the secrets with these digests were used just now from an address, and were valid."""
    buffer.add((datetime.now(UTC), (tuple(digests), address)))


def _add_up(newest: dict[Secrets, datetime], uses: list[tuple[datetime, Secrets]]) -> None:
    newest.update({secrets: at for at, secrets in uses})


def _write(newest: dict[Secrets, datetime]) -> None:
    last: dict[str, tuple[datetime, str]] = {}
    for (digests, address), at in newest.items():
        for digest in digests:
            last[digest] = max(last.get(digest, (at, "")), (at, address))
            if key_use.is_new(digest, address) and (token := OrgToken.objects.filter(digest=digest).first()):
                key_use.record(token, address[:ADDRESS_LIMIT], by=token)
    for digest, (at, address) in last.items():
        if digest in _written and at - _written[digest] <= WRITTEN_EVERY:
            continue
        _written[digest] = at
        tokens = OrgToken.objects.filter(digest=digest)
        if not tokens.update(last_used_at=at, last_used_address=address[:ADDRESS_LIMIT]):
            _ = AppKey.objects.filter(digest=digest).update(last_used_at=at) or AppKey.objects.filter(
                old_digest=digest
            ).update(old_used_at=at)


buffer: BackgroundBuffer[tuple[datetime, Secrets], dict[Secrets, datetime]] = BackgroundBuffer(
    "last use of secrets", empty=dict, add_up=_add_up, write=_write, add_up_at=ADD_UP_AT
)
