"""Credentials of senders: an org token authenticates a sender, and an App Key names the integration that it sends for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

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

FOR_ALL = "It sends for every integration, also for those to come."
READS = "It reaches incidents. No machine that only sends should hold it."
READS_ALL = (
    "It reaches every incident, also those that are kept for some roles. No machine that only sends should hold it."
)
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
    def issue(cls, *, name: str, by: User | None = None, **properties: Any) -> tuple[Self, str]:
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

    THIS_CONSOLE = "console"  # the tool of the alerts that the console sends about itself

    tool = models.CharField(max_length=40, default="api", editable=False)  # of appkeys.gallery, or THIS_CONSOLE
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
    def is_of_this_console(self) -> bool:
        return self.tool == self.THIS_CONSOLE

    @property
    def tool_title(self) -> str:
        if self.is_of_this_console:
            return "the console itself"
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


class OrgTokenQuerySet(models.QuerySet["OrgToken"]):
    def sending_for_all(self) -> Self:
        """Return the tokens that let any integration in now."""
        usable = self.filter(deactivated_at=None, is_limited=False, scopes__contains=OrgToken.Scope.ALERTS)
        return usable.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))


class OrgToken(Credential):
    """A token that authenticates a sender: for all App Keys or for some, within its scopes."""

    class Scope(models.TextChoices):
        ALERTS = "alerts", "Send alerts"
        DEPLOYMENTS = "deployments", "Send deployments"
        MAPPINGS = "mappings", "Read and change mappings"
        READ = "read", "Read incidents (API v1)"
        ACT = "act", "Resolve, snooze and comment on incidents (API v1)"

    SENDING = (Scope.ALERTS, Scope.DEPLOYMENTS)  # what a sender needs, and the default
    SENDING_ONLY = f"{Scope.ALERTS} {Scope.DEPLOYMENTS}"

    # As in OAuth (RFC 6749 §3.3), separated by spaces.
    scopes = models.CharField(max_length=100, default=SENDING_ONLY, db_default=SENDING_ONLY, editable=False)
    app_keys = models.ManyToManyField(AppKey, blank=True, related_name="tokens")  # of a limited token
    is_limited = models.BooleanField(default=False, editable=False)  # whether it speaks for some App Keys only
    expires_at = models.DateTimeField(null=True, blank=True)  # null: never
    # Whether it reads the incidents of environments that are kept for some roles, too (incidents.models.access).
    sees_restricted = models.BooleanField(default=False, db_default=False, editable=False)
    last_used_address = models.CharField(max_length=45, default="", db_default="", editable=False)

    objects = OrgTokenQuerySet.as_manager()

    class Meta(Credential.Meta):
        verbose_name = "org token"
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("name"), name="orgtoken_name_any_case", violation_error_message=TAKEN)
        ]

    @classmethod
    @transaction.atomic
    def issue(  # type: ignore[override] # a token has properties of its own
        cls,
        *,
        name: str,
        by: User | None = None,
        scopes: Collection[str] = SENDING,
        app_keys: Collection[AppKey] | None = None,
        expires_at: datetime | None = None,
        sees_restricted: bool = False,
    ) -> tuple[Self, str]:
        """Create a token and return it with its secret. Without App Keys it works for all of them.

        Raise ValidationError if the name is empty, too long or taken.
        """
        token = cls(name=name.strip(), created_by=by, expires_at=expires_at, is_limited=app_keys is not None)
        token.sees_restricted = sees_restricted
        token.scopes = " ".join(each.value for each in cls.Scope if each in scopes)
        secret = token._draw_secret()
        token.full_clean()
        token.save()
        token.app_keys.set(app_keys or ())
        made = {"name": token.name, "ends_in": token.suffix, "scopes": token.scope_names, "expires_at": expires_at}
        made |= {"speaks_for": token.speaks_for_names, "warning": " ".join(token.warnings) or None}
        audit.record(by, token, Change.CREATED, new=made)
        return token, secret

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
    def scope_names(self) -> list[str]:
        return self.scopes.split()

    def may(self, scope: Scope) -> bool:
        return scope in self.scope_names

    @property
    def may_use_resources(self) -> bool:
        """Return whether the token has to do with incidents."""
        return self.may(self.Scope.READ) or self.may(self.Scope.ACT)

    @property
    def warnings(self) -> list[str]:
        """Return what the token opens beyond sending for its own App Keys."""
        sends = any(self.may(scope) for scope in self.Scope if scope not in (self.Scope.READ, self.Scope.ACT))
        found = [FOR_ALL] if sends and not self.is_limited else []
        if self.may_use_resources:
            found.append(READS_ALL if self.sees_restricted else READS)
        return found

    @property
    def speaks_for_names(self) -> list[str] | str:
        return [app_key.name for app_key in self.app_keys.all()] if self.is_limited else "all integrations"

    def speaks_for(self, app_key: AppKey) -> bool:
        return not self.is_limited or self.app_keys.filter(pk=app_key.pk).exists()

    @transaction.atomic
    def limit_to(self, app_keys: list[AppKey], *, by: User) -> None:
        """Limit the token to these App Keys. With an empty list it works for all of them."""
        before = self.speaks_for_names
        self.app_keys.set(app_keys)
        self.is_limited = bool(app_keys)
        self.save(update_fields=["is_limited"])
        audit.record(by, self, Change.CHANGED, old={"speaks_for": before}, new={"speaks_for": self.speaks_for_names})
