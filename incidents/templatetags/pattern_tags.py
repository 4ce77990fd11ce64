"""Patterns, as their pages show them."""

from __future__ import annotations

from django import template

from incidents.models.pattern import window_in_words

register = template.Library()
register.filter("window", window_in_words)


@register.filter
def thousands(number: int) -> str:
    return f"{number:,}"


@register.filter
def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
