"""Addresses of incidents as resources."""

from __future__ import annotations

from django.urls import path

from incidents.api import incidents as incidents_api
from incidents.api import incidents_v1 as incidents_api_v1
from incidents.api import tags as tags_api

_ONE = "v2.0/environments/<str:env>/incidents/<int:pk>"
urlpatterns = [
    path("v1.0/incidents/<int:pk>", incidents_api_v1.One.as_view()),
    path("v1.0/incidents/<int:pk>/alerts/", incidents_api_v1.Alerts.as_view()),
    path("v2.0/environments/<str:env>/incidents", incidents_api.Incidents.as_view()),
    path(_ONE, incidents_api.One.as_view()),
    path(f"{_ONE}/resolve", incidents_api.Resolve.as_view()),
    path(f"{_ONE}/comments", incidents_api.Comments.as_view()),
    path(f"{_ONE}/assignment", incidents_api.Assignment.as_view()),
    path(f"{_ONE}/snooze", incidents_api.Snooze.as_view()),
    path(f"{_ONE}/merge", incidents_api.Merge.as_view()),
    path(f"{_ONE}/split", incidents_api.Split.as_view()),
    path(f"{_ONE}/tags", tags_api.Tags.as_view()),
    path(f"{_ONE}/tags/<str:tag>", tags_api.OneTag.as_view()),
    path("v2.0/environments/<str:env>/batch-resolve/alerts", incidents_api.BatchResolve.as_view()),
    path("v2.0/environments/<str:env>/batch-actions", incidents_api.BatchAction.as_view()),
    path("v2.0/incidents/<int:pk>/activities", incidents_api.Activities.as_view()),
    path("v2.0/incidents/tags/definitions", tags_api.Definitions.as_view()),
    path("v2.0/incidents/tags/definitions/<str:tag>", tags_api.OneDefinition.as_view()),
]
