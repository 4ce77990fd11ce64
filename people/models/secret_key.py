"""The secret key of the installation, as far as the database knows it."""

from __future__ import annotations

from django.db import models


class SecretKey(models.Model):
    """Fingerprint of the secret key. The one row lets consoles on one database notice that their keys differ."""

    fingerprint = models.CharField(max_length=64, editable=False)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "secret key"

    def __str__(self) -> str:
        return self.fingerprint[:8]
