"""Changes of personal API keys: create, revoke, restore, and end all keys of a person."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from people import audit
from people.audit import Change
from people.models import ApiKey, User

NEVER_EXPIRES = "This key never expires. It works until somebody revokes it."


@transaction.atomic
def create(
    user: User, *, name: str, scopes: Collection[str], expires_at: datetime | None, by: User | None
) -> tuple[ApiKey, str]:
    """Create a key and return it with its secret. Raise ValidationError if the name is empty, too long or taken."""
    key, secret = ApiKey.issue(user, name=name, scopes=scopes, expires_at=expires_at)
    made = {"person": user.username, "ends_in": key.suffix, "scopes": key.scope_names, "expires_at": expires_at}
    audit.record(by, key, Change.CREATED, new=made if expires_at else made | {"warning": NEVER_EXPIRES})
    return key, secret


@transaction.atomic
def revoke(key: ApiKey, *, by: User, because: str = "") -> None:
    """Reject the key from now on. Its person can restore a key that was revoked without a reason, and no other."""
    if key.revoked_at is None or (because and not key.revoked_because):
        key.revoked_at, key.revoked_because = key.revoked_at or timezone.now(), because
        key.save(update_fields=["revoked_at", "revoked_because"])
        audit.record(by, key, Change.DEACTIVATED, new={"person": key.user.username} | _reason(because))


@transaction.atomic
def restore(key: ApiKey, *, by: User) -> None:
    """Let a key work again that its person revoked."""
    if key.revoked_at and not key.revoked_because:
        key.revoked_at = None
        key.save(update_fields=["revoked_at"])
        audit.record(by, key, Change.ACTIVATED)


@transaction.atomic
def end_all(user: User, *, by: User, because: str) -> int:
    """Revoke all keys of a person for good. Return the number of keys that worked until now."""
    keys = list(user.api_keys.filter(revoked_because=""))
    worked = sum(key.is_active for key in keys)
    for key in keys:
        revoke(key, by=by, because=because)
    return worked


def _reason(because: str) -> dict[str, str]:
    return {"because": because} if because else {}
