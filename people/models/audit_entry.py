"""Entries of the audit log."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    def mentioning(self, words: str) -> Self:
        """Return the entries whose names, properties or values contain each of the words, in any case."""
        found = self
        for word in words.casefold().split():
            found = found.filter(search_text__contains=word)
        return found

    def newest_first(self) -> Self:
        return self.order_by("-at", "-pk")


class AuditEntry(models.Model):
    """An administrative change: its author, its subject, and each property's old and new value. Append-only, and without secrets.

    Sign-ins are entries, too. Only the number of failed sign-ins in the present minute is counted up.

    Names are stored beside the keys, so that an entry is readable when its subject is gone.
    """

    class ActorKind(models.TextChoices):
        USER = "user", "person"
        API_KEY = "api_key", "personal API key"
        ORG_TOKEN = "org_token", "org token"
        SYSTEM = "system", "the console"

    class Change(models.TextChoices):
        CREATED = "created", "Created"
        CHANGED = "changed", "Changed"
        DELETED = "deleted", "Deleted"
        RESTORED = "restored", "Restored"
        ACTIVATED = "activated", "Activated"
        DEACTIVATED = "deactivated", "Deactivated"
        ROTATED = "rotated", "Rotated"
        REORDERED = "reordered", "Reordered"
        INVITED = "invited", "Invited"
        LOCKED = "locked", "Locked out"
        UNLOCKED = "unlocked", "Unlocked"
        USED = "used", "First used from an address"
        SIGNED_IN = "signed_in", "Signed in"
        SIGN_IN_FAILED = "sign_in_failed", "Failed to sign in"
        SIGN_IN_REFUSED = "sign_in_refused", "Sign-in refused"
        LINK_USED = "link_used", "Set a password by link"
        SIGNED_OUT = "signed_out", "Signed out"
        SESSIONS_ENDED = "sessions_ended", "Ended sessions"

    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    actor_kind = models.CharField(max_length=10, choices=ActorKind)
    actor_name = models.CharField(max_length=300)
    # From where the change was made. Empty for changes of the console itself.
    address = models.CharField(max_length=45, blank=True, default="", db_default="")
    entity_kind = models.CharField(max_length=60)  # the model's name: "App Key"
    entity_id = models.CharField(max_length=40)
    entity_name = models.CharField(max_length=300)
    change = models.CharField(max_length=20, choices=Change)
    # As in docs/wire-contract.md §7.5: [{"propertyPath", "changeType": added|modified|removed, "oldValue", "newValue"}]
    changes: models.JSONField[list[dict[str, Any]], list[dict[str, Any]]] = models.JSONField(default=list)
    search_text = models.TextField(default="")  # casefolded: databases do not agree on letters' cases

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            models.Index(fields=["-at", "-id"], name="people_audit_newest"),
            models.Index(fields=["entity_kind", "entity_id", "-at"], name="people_audit_by_entity"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} · {self.get_change_display()} · {self.entity_kind} {self.entity_name}"
