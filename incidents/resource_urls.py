"""Incidents as resources."""

from __future__ import annotations

from django.urls import path

from incidents.api import incidents as api
from incidents.api import incidents_v1 as v1

_ONE = "v2.0/environments/<str:env>/incidents/<int:pk>"
urlpatterns = [
    path("v1.0/incidents/<int:pk>", v1.One.as_view()),
    path("v1.0/incidents/<int:pk>/alerts/", v1.Alerts.as_view()),
    path("v2.0/environments/<str:env>/incidents", api.Incidents.as_view()),
    path(_ONE, api.One.as_view()),
    path(f"{_ONE}/resolve", api.Resolve.as_view()),
    path(f"{_ONE}/comments", api.Comments.as_view()),
    path(f"{_ONE}/assignment", api.Assignment.as_view()),
    path(f"{_ONE}/snooze", api.Snooze.as_view()),
    path(f"{_ONE}/merge", api.Merge.as_view()),
    path(f"{_ONE}/split", api.Split.as_view()),
    path(f"{_ONE}/tags", api.Tags.as_view()),
    path(f"{_ONE}/tags/<str:tag>", api.OneTag.as_view()),
    path("v2.0/environments/<str:env>/batch-resolve/alerts", api.BatchResolve.as_view()),
    path("v2.0/incidents/<int:pk>/activities", api.Activities.as_view()),
    path("v2.0/incidents/tags/definitions", api.Definitions.as_view()),
    path("v2.0/incidents/tags/definitions/<str:tag>", api.OneDefinition.as_view()),
]
