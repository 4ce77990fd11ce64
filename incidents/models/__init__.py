"""What it means: incidents, the patterns that gather alerts into them, and the history of what happened to them."""

from __future__ import annotations

from incidents.models.activity import Activity
from incidents.models.incident import Incident, no_counts, no_names
from incidents.models.pattern import CorrelationPattern, Matcher

__all__ = ["Activity", "CorrelationPattern", "Incident", "Matcher", "no_counts", "no_names"]
