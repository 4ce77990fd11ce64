"""First uses of keys and tokens from an address, for the audit log."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Model
from django.utils import timezone

from db import outage
from people import audit
from people.audit import Actor, Change
from people.models import AuditEntry

A_DAY = timedelta(days=1)
ADDRESSES_A_DAY = 100  # of one key, so that no sender fills the audit log
KNOWN_LIMIT = 20_000  # the memory starts again when it is full; the audit log itself knows what it holds

_known: set[tuple[str, str]] = set()  # digest and address


def is_new(digest: str, address: str) -> bool:
    """Return whether this process sees the secret from this address for the first time, and remember it."""
    if (use := (digest, address)) in _known or not address:
        return False
    if len(_known) >= KNOWN_LIMIT:
        _known.clear()
    _known.add(use)
    return True


def record(key: Model, address: str, *, by: Actor) -> None:
    """Write into the audit log that a key was used from an address, unless the log has it already."""
    uses = AuditEntry.objects.filter(entity_kind=str(key._meta.verbose_name), entity_id=str(key.pk), change=Change.USED)
    if uses.filter(address=address).exists():
        return
    today = uses.filter(at__gt=timezone.now() - A_DAY).count()
    if today > ADDRESSES_A_DAY:
        return
    told = {"used_from": address}
    if today == ADDRESSES_A_DAY:
        told["more"] = f"More than {ADDRESSES_A_DAY} addresses in a day. Further ones of this day are not listed."
    with audit.at_address(address):
        if not outage.try_to_note("the first use of a key", lambda: audit.record(by, key, Change.USED, new=told)):
            _known.clear()  # the next use is noted instead
