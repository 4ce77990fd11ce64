"""Addresses of maintenance plans: pages and resources."""

from __future__ import annotations

from django.urls import path

from incidents.api import maintenance as maintenance_api
from incidents.maintenance import changes
from incidents.views import maintenance

app_name = "maintenance"
urlpatterns = [
    path("", maintenance.listing, name="list"),
    path("/new", maintenance.new, name="new"),
    path("/preview", maintenance.preview, name="preview"),
    path("/<int:pk>", maintenance.detail, name="detail"),
    path("/<int:pk>/edit", maintenance.edit, name="edit"),
    *(
        path(f"/<int:pk>/{change.__name__}", maintenance.change, {"change": change}, name=change.__name__)
        for change in (changes.stop, changes.resume, changes.delete, changes.restore)
    ),
]
resources = [
    path("v2.0/maintenance-plans", maintenance_api.Plans.as_view()),
    path("v2.0/maintenance-plans/<str:pk>", maintenance_api.Plan.as_view()),
    path("v2.0/maintenance-plans/<str:pk>/stop", maintenance_api.Stop.as_view()),
    path("v2.0/ordered-maintenance-plans", maintenance_api.OrderedPlans.as_view()),
]
