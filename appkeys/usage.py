"""The time of the last use of each secret, to some seconds: thousands of requests per second cost one write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from appkeys.models import AppKey, OrgToken
from db.background_buffer import BackgroundBuffer

WRITTEN_EVERY = timedelta(seconds=10)
ADD_UP_AT = 500  # uses

Use = tuple[datetime, tuple[str, ...]]  # the digests of the secrets of one request

_written: dict[str, datetime] = {}  # by digest


def record(*digests: str) -> None:
    """Record that the secrets with these digests were used just now, and were valid."""
    buffer.add((datetime.now(UTC), digests))


def _add_up(newest: dict[str, datetime], uses: list[Use]) -> None:
    for at, digests in uses:
        newest.update(dict.fromkeys(digests, at))


def _write(newest: dict[str, datetime]) -> None:
    for digest, at in newest.items():
        if digest in _written and at - _written[digest] <= WRITTEN_EVERY:
            continue
        _written[digest] = at
        if not OrgToken.objects.filter(digest=digest).update(last_used_at=at):
            _ = AppKey.objects.filter(digest=digest).update(last_used_at=at) or AppKey.objects.filter(
                old_digest=digest
            ).update(old_used_at=at)


buffer: BackgroundBuffer[Use, dict[str, datetime]] = BackgroundBuffer(
    "last use of secrets", empty=dict, add_up=_add_up, write=_write, add_up_at=ADD_UP_AT
)
