"""Credentials of senders: an org token authenticates a sender, and an App Key names the integration that it sends for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.text import slugify

from appkeys.gallery import TOOLS
from people import audit, secrets
from people.audit import Change
from people.models import User

TAKEN = "This name is taken already (upper and lower case count as the same). Choose another one."


class Credential(models.Model):
    """A named secret. Its digest is stored, its last four characters identify it to people, and the secret itself is shown once."""

    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    suffix = models.CharField(max_length=4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    last_used_at = models.DateTimeField(null=True, editable=False)  # to some seconds, see appkeys.usage
    deactivated_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(cls, *, name: str, by: User | None = None, **properties: object) -> tuple[Self, str]:
        """Create a credential and return it with its secret: 32 hexadecimal characters, as BigPanda's (docs/wire-contract.md §2.2).

        Raise ValidationError if the name is empty, too long or taken.
        """
        credential = cls(name=name.strip(), created_by=by, **properties)
        secret = credential._draw_secret()
        credential.full_clean()
        with transaction.atomic():
            credential.save()
            audit.record(
                by, credential, Change.CREATED, new={"name": credential.name, "ends_in": credential.suffix} | properties
            )
        return credential, secret

    def renew(self) -> str:
        """Draw a new secret and return it. The old secret is rejected from now on."""
        secret = self._draw_secret()
        self.save(update_fields=["digest", "suffix"])
        return secret

    def _draw_secret(self) -> str:
        secret = secrets.draw()
        self.digest, self.suffix = secrets.digest(secret), secrets.suffix(secret)
        return secret

    @property
    def is_active(self) -> bool:
        return self.deactivated_at is None

    @transaction.atomic
    def deactivate(self, *, by: User | None = None) -> None:
        """Reject its senders from now on. The alerts that it sent stay."""
        if self.is_active:
            self.deactivated_at = timezone.now()
            self.save(update_fields=["deactivated_at"])
            audit.record(by, self, Change.DEACTIVATED)

    @transaction.atomic
    def activate(self, *, by: User | None = None) -> None:
        if not self.is_active:
            self.deactivated_at = None
            self.save(update_fields=["deactivated_at"])
            audit.record(by, self, Change.ACTIVATED)


class AppKeyQuerySet(models.QuerySet["AppKey"]):
    def present(self) -> Self:
        """Return the App Keys that are not deleted."""
        return self.filter(deleted_at=None)

    def deleted(self) -> Self:
        return self.exclude(deleted_at=None).order_by("-deleted_at")

    def answering_to(self, *digests: str) -> Self:
        """Return the App Keys with one of these secrets, also with the old secret of a rotation that still works."""
        old = Q(old_digest__in=digests, old_valid_until__gt=timezone.now())
        return self.filter(Q(digest__in=digests) | old)


class AppKey(Credential):
    """An integration. The App Key keeps its alerts apart from the alerts of all others."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        INSTALLED = "installed", "Installed"
        DEACTIVATED = "deactivated", "Deactivated"

    tool = models.CharField(max_length=40, default="api", editable=False)  # of appkeys.gallery
    # `<type>.<name>` (docs/wire-contract.md §7.1). Renaming the integration keeps the name, because patterns and environments refer to it.
    source_system = models.CharField(max_length=150, unique=True, blank=True, editable=False)
    first_event_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The secret from before the last rotation, which works beside the new one until its time is over.
    old_digest = models.CharField(max_length=64, blank=True, default="", editable=False, db_index=True)
    old_suffix = models.CharField(max_length=4, blank=True, default="", editable=False)
    old_valid_until = models.DateTimeField(null=True, editable=False)
    old_used_at = models.DateTimeField(null=True, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = AppKeyQuerySet.as_manager()

    class Meta(Credential.Meta):
        verbose_name = "App Key"
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("name"), name="appkey_name_any_case", condition=Q(deleted_at=None), violation_error_message=TAKEN
            )
        ]

    def save(self, *args: object, **kwargs: object) -> None:
        if not self.source_system:
            slug = slugify(self.name).replace("-", "_")
            taken = not slug or AppKey.objects.filter(source_system=f"{self.tool}.{slug}").exists()
            unique = f"{slug}_{self.digest[:6]}".strip("_") if taken else slug
            self.source_system = f"{self.tool}.{unique}"
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def tool_title(self) -> str:
        return TOOLS[self.tool].title if self.tool in TOOLS else self.tool

    @property
    def status(self) -> Status:
        if not self.is_active:
            return self.Status.DEACTIVATED
        return self.Status.INSTALLED if self.first_event_at else self.Status.PENDING

    @classmethod
    def note_first_event(cls, pks: set[int], *, at: datetime) -> None:
        """Mark pending keys as installed, in the transaction that stores their first events."""
        cls.objects.filter(pk__in=pks, first_event_at=None).update(first_event_at=at)

    # --- the secret and the previous secret

    @property
    def digests(self) -> list[str]:
        """Return the digests of the secrets that work now."""
        return [self.digest, self.old_digest] if self.is_rotating else [self.digest]

    @property
    def is_rotating(self) -> bool:
        """Return whether two secrets work."""
        return bool(self.old_digest and self.old_valid_until and self.old_valid_until > timezone.now())

    @transaction.atomic
    def rotate(self, *, overlap: timedelta, by: User) -> str:
        """Draw a new secret and return it. The present secret works beside it during the overlap; an earlier one stops working."""
        self.old_digest, self.old_suffix, self.old_used_at = self.digest, self.suffix, self.last_used_at
        self.old_valid_until = timezone.now() + overlap
        secret = self._draw_secret()
        self.last_used_at = None
        changed = ["digest", "suffix", "last_used_at", "old_digest", "old_suffix", "old_used_at", "old_valid_until"]
        self.save(update_fields=changed)
        old, new = {"ends_in": self.old_suffix}, {"ends_in": self.suffix, "old_works_until": self.old_valid_until}
        audit.record(by, self, Change.ROTATED, old=old, new=new)
        return secret

    @transaction.atomic
    def let_old_work_until(self, moment: datetime, *, by: User) -> None:
        """End the overlap of a rotation, or let the old secret work again."""
        before, self.old_valid_until = self.old_valid_until, moment
        self.save(update_fields=["old_valid_until"])
        audit.record(by, self, Change.CHANGED, old={"old_works_until": before}, new={"old_works_until": moment})

    # --- changes by people

    @transaction.atomic
    def rename(self, name: str, *, by: User) -> None:
        """Rename the App Key. Raise ValidationError if the name is empty, too long or taken."""
        before, self.name = self.name, name.strip()
        self.full_clean()
        self.save(update_fields=["name"])
        if before != self.name:
            audit.record(by, self, Change.CHANGED, old={"name": before}, new={"name": self.name})

    @transaction.atomic
    def delete_for_now(self, *, by: User) -> None:
        """Reject its senders and hide it from the list. Its alerts and incidents stay, and it can be restored."""
        now = timezone.now()
        AppKey.objects.filter(pk=self.pk, deleted_at=None).update(deleted_at=now, deactivated_at=now)
        self.deleted_at = self.deactivated_at = now
        audit.record(by, self, Change.DELETED, old={"name": self.name, "source_system": self.source_system})

    @transaction.atomic
    def restore(self, *, by: User) -> None:
        """Restore a deleted App Key. Raise ValidationError if another one has taken its name in the meantime."""
        self.deleted_at = self.deactivated_at = None
        self.full_clean()
        self.save(update_fields=["deleted_at", "deactivated_at"])
        audit.record(by, self, Change.RESTORED)


class OrgToken(Credential):
    """A token that authenticates a sender: for all App Keys or for some, to send, to use the older v1 resources, or both."""

    class Scope(models.TextChoices):
        EVERYTHING = "everything", "Send, and use the v1 resources"
        SENDING = "sending", "Send alerts and deployments only"
        RESOURCES = "resources", "Use the v1 resources only"

    scope = models.CharField(max_length=20, choices=Scope, default=Scope.EVERYTHING)
    app_keys = models.ManyToManyField(AppKey, blank=True, related_name="tokens")  # empty: all App Keys
    is_limited = models.BooleanField(default=False, editable=False)  # whether it speaks for some App Keys only
    expires_at = models.DateTimeField(null=True, blank=True)  # null: never
    # Whether it reads the incidents of environments that are kept for some roles, too (incidents.models.access).
    sees_restricted = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta(Credential.Meta):
        verbose_name = "org token"
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("name"), name="orgtoken_name_any_case", violation_error_message=TAKEN)
        ]

    @property
    def actor_name(self) -> str:
        """Return how the audit log names the token where it makes a change."""
        return f"Org token {self.name} (id {self.pk}, ends in {self.suffix})"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_usable(self) -> bool:
        return self.is_active and not self.is_expired

    @property
    def may_send(self) -> bool:
        return self.scope != self.Scope.RESOURCES

    @property
    def may_use_resources(self) -> bool:
        return self.scope != self.Scope.SENDING

    def speaks_for(self, app_key: AppKey) -> bool:
        return not self.is_limited or self.app_keys.filter(pk=app_key.pk).exists()

    @transaction.atomic
    def limit_to(self, app_keys: list[AppKey], *, by: User) -> None:
        """Limit the token to these App Keys. With an empty list it works for all of them."""
        before = list(self.app_keys.values_list("name", flat=True))
        self.app_keys.set(app_keys)
        self.is_limited = bool(app_keys)
        self.save(update_fields=["is_limited"])
        after = [app_key.name for app_key in app_keys]
        audit.record(by, self, Change.CHANGED, old={"speaks_for": before or "all"}, new={"speaks_for": after or "all"})
