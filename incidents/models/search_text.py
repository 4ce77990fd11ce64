"""The table that a search among open incidents reads."""

from __future__ import annotations

from django.db import models

from alerts.models import Alert


class SearchText(models.Model):
    """The search text of an alert whose incident is open, as a copy of `Alert.search_text`.

    A table of its own is so narrow that a search reads all of it. `incidents.search.index` writes the table, and
    removes the texts of resolved incidents from time to time.
    """

    # Without a constraint, because the database would check it for each alert that is correlated.
    alert = models.OneToOneField(Alert, models.CASCADE, primary_key=True, related_name="+", db_constraint=False)
    search_text = models.TextField()

    def __str__(self) -> str:
        return self.search_text
