"""Filters for the pages of patterns."""

from __future__ import annotations

from django import template

from incidents.models.pattern import window_in_words

register = template.Library()
register.filter("window", window_in_words)


@register.filter
def span(minutes: int) -> str:
    """Return a number of minutes in words: "under a minute", "53 min", "3 h 58 min"."""
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} h"] * (hours > 0) + [f"{rest} min"] * (rest > 0)
    return " ".join(parts) or "under a minute"


@register.filter
def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
