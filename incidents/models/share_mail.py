"""Mails about shared incidents that wait to be sent."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class ShareMail(models.Model):
    """A mail about shared incidents that was not sent yet. It is deleted once it was sent, or could not be sent for long.

    The row is written with the sharing, so that no mail is lost with a message or a worker.
    """

    activities = models.JSONField()  # keys of the activities that share the incidents
    addresses = models.JSONField()  # each address gets a mail of its own
    site = models.TextField()  # address under which the console is used, for links
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)  # of the next attempt

    def __str__(self) -> str:
        return ", ".join(self.addresses)
