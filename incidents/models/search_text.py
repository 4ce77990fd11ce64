"""What a search among open incidents reads through."""

from __future__ import annotations

from django.db import models

from alerts.models import Alert


class SearchText(models.Model):
    """The search text of an alert whose incident is open, once more: as a table of its own it is so narrow that all of it is read at once.

    Kept by incidents.search.index; some are left for a while where the incident is over.
    """

    alert = models.OneToOneField(
        Alert, models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )  # no constraint in the database: it would be checked for each alert that is correlated
    search_text = models.TextField()

    def __str__(self) -> str:
        return self.search_text
