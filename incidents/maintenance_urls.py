"""Maintenance plans: their pages, and their resources."""

from __future__ import annotations

from django.urls import path

from incidents import maintenance_plans as deeds
from incidents.api import maintenance as api
from incidents.views import maintenance

app_name = "maintenance"
urlpatterns = [
    path("", maintenance.listing, name="list"),
    path("/new", maintenance.new, name="new"),
    path("/preview", maintenance.preview, name="preview"),
    path("/<int:pk>", maintenance.detail, name="detail"),
    path("/<int:pk>/edit", maintenance.edit, name="edit"),
    *(
        path(f"/<int:pk>/{deed.__name__}", maintenance.do, {"deed": deed}, name=deed.__name__)
        for deed in (deeds.stop, deeds.resume, deeds.delete, deeds.restore)
    ),
]
resources = [
    path("v2.0/maintenance-plans", api.Plans.as_view()),
    path("v2.0/maintenance-plans/<str:key>", api.Plan.as_view()),
    path("v2.0/maintenance-plans/<str:key>/stop", api.Stop.as_view()),
    path("v2.0/ordered-maintenance-plans", api.OrderedPlans.as_view()),
]
