"""Who may send: organization tokens let a sender in, App Keys name the integration it speaks for."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.text import slugify

from people import audit, secrets
from people.audit import Change
from people.models import User


class Credential(models.Model):
    """A named secret: its digest is stored, its last four characters tell it from others, the secret itself is shown once."""

    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    suffix = models.CharField(max_length=4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    deactivated_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("name"),
                name="%(class)s_name_any_case",
                violation_error_message="This name is taken already (upper and lower case count as the same). Choose another one.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(cls, *, name: str, by: User | None = None) -> tuple[Self, str]:
        """Create a credential and return it with its secret, 32 hexadecimal characters as BigPanda's own (bigpanda.md §1.2).

        Raises ValidationError when the name is empty, too long or taken.
        """
        credential = cls(name=name.strip(), created_by=by)
        secret = credential._draw_secret()
        credential.full_clean()
        with transaction.atomic():
            credential.save()
            audit.record(by, credential, Change.CREATED, new={"name": credential.name, "ends_in": credential.suffix})
        return credential, secret

    def renew(self) -> str:
        """Give it a new secret and return that; the old one is refused from now on."""
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
        """Senders that use it are refused from now on; what it sent before stays."""
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


class OrgToken(Credential):
    """Lets a sender in, for every App Key of the organization."""

    class Meta(Credential.Meta):
        verbose_name = "org token"


class AppKey(Credential):
    """One integration. Its alerts are told from those of every other by this key."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        INSTALLED = "installed", "Installed"
        DEACTIVATED = "deactivated", "Deactivated"

    # `<type>.<name>`, as BigPanda names a source (bigpanda.md §6).
    source_system = models.CharField(max_length=130, unique=True, blank=True, editable=False)
    first_event_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(Credential.Meta):
        verbose_name = "App Key"

    def save(self, *args: object, **kwargs: object) -> None:
        if not self.source_system:
            slug = slugify(self.name).replace("-", "_")
            taken = not slug or AppKey.objects.filter(source_system=f"api.{slug}").exists()
            self.source_system = f"api.{slug}_{self.digest[:6]}".replace("._", ".") if taken else f"api.{slug}"
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def status(self) -> Status:
        if not self.is_active:
            return self.Status.DEACTIVATED
        return self.Status.INSTALLED if self.first_event_at else self.Status.PENDING

    @classmethod
    def note_first_event(cls, pks: set[int], *, at: datetime) -> None:
        """Turn pending keys into installed ones; called in the transaction that stores their events."""
        cls.objects.filter(pk__in=pks, first_event_at=None).update(first_event_at=at)
