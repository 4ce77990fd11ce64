"""Addresses of correlation patterns: pages and resources."""

from __future__ import annotations

from django.urls import path

from incidents.api import patterns as patterns_api
from incidents.api import why
from incidents.views import patterns, shadows, suggestions, trials

app_name = "patterns"
urlpatterns = [
    path("", patterns.listing, name="list"),
    path("/new", patterns.new, name="new"),
    path("/preview", patterns.preview, name="preview"),
    path("/order", trials.order, name="order"),
    path("/order/reset", patterns.reset_order, name="order_reset"),
    path("/export.json", patterns.export, name="export"),
    path("/import", patterns.import_file, name="import"),
    path("/tries", trials.listing, name="trials"),
    path("/tries/<int:pk>", trials.detail, name="trial"),
    path("/tries/<int:pk>/cancel", trials.cancel, name="trial_cancel"),
    path("/tries/<int:pk>/again", trials.again, name="trial_again"),
    path("/tries/<int:pk>/enable", trials.enable, name="trial_enable"),
    path("/tries/<int:pk>/shadow", shadows.switch_on, name="trial_shadow"),
    path("/shadows/<int:pk>", shadows.detail, name="shadow"),
    path("/shadows/<int:pk>/off", shadows.switch_off, name="shadow_off"),
    path("/shadows/<int:pk>/enable", shadows.enable, name="shadow_enable"),
    path("/suggestions", suggestions.page, name="suggestions"),
    path("/suggestions/<int:pk>/cancel", suggestions.cancel, name="suggestions_cancel"),
    path("/suggestions/<int:pk>/try", suggestions.try_one, name="suggestion_try"),
    path("/<int:pk>", patterns.detail, name="detail"),
    path("/<int:pk>/edit", patterns.edit, name="edit"),
    path("/<int:pk>/move", patterns.move, name="move"),
    path("/<int:pk>/activate", patterns.set_active, {"active": True}, name="activate"),
    path("/<int:pk>/deactivate", patterns.set_active, {"active": False}, name="deactivate"),
    path("/<int:pk>/delete", patterns.delete, name="delete"),
    path("/<int:pk>/restore", patterns.restore, name="restore"),
]
resources = [
    path("v2.0/alerts/<int:pk>/why", why.Why.as_view()),
    path("v2.0/why-not", why.WhyNot.as_view()),
    path("v2.0/correlation-patterns", patterns_api.Patterns.as_view()),
    path("v2.0/correlation-patterns/<uuid:pk>", patterns_api.Pattern.as_view()),
    path("v2.1/correlation-patterns-order", patterns_api.Order.as_view()),
    path("v2.1/correlation-patterns-order/reset", patterns_api.ResetOrder.as_view()),
]
