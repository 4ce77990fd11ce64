"""Correlation patterns: their pages, and their resources."""

from __future__ import annotations

from django.urls import path

from incidents.api import patterns as api

app_name = "patterns"
resources = [
    path("v2.0/correlation-patterns", api.Patterns.as_view()),
    path("v2.0/correlation-patterns/<uuid:uuid>", api.Pattern.as_view()),
    path("v2.1/correlation-patterns-order", api.Order.as_view()),
    path("v2.1/correlation-patterns-order/reset", api.ResetOrder.as_view()),
]
