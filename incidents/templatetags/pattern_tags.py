"""Patterns, as their pages show them."""

from __future__ import annotations

from django import template

from incidents.models.pattern import window_in_words

register = template.Library()
register.filter("window", window_in_words)
