"""The console's pages."""

from __future__ import annotations

from django.urls import path

from incidents.views import actions, environments, feed, incident, panes, suggest

app_name = "incidents"
urlpatterns = [
    path("", feed.feed, name="feed"),
    path("incidents/<int:pk>", incident.detail, name="detail"),
    path("incidents/<int:pk>/alerts", incident.detail, {"tab": "alerts"}, name="alerts"),
    path("incidents/<int:pk>/timeline", incident.detail, {"tab": "timeline"}, name="timeline"),
    path("incidents/<int:pk>/activity", incident.detail, {"tab": "activity"}, name="activity"),
    path("incidents/<int:pk>/why", incident.detail, {"tab": "why"}, name="why"),
    path("incidents/<int:pk>/resolve", actions.resolve, name="resolve"),
    path("incidents/<int:pk>/undo", actions.undo, name="undo"),
    path("incidents/<int:pk>/assign", actions.assign, name="assign"),
    path("incidents/<int:pk>/release", actions.release, name="release"),
    path("incidents/<int:pk>/comment", actions.comment, name="comment"),
    path("environments/new", environments.new, name="environment_new"),
    path("environments/preview", environments.preview, name="environment_preview"),
    path("environments/<int:pk>", environments.edit, name="environment_edit"),
    path("environments/<int:pk>/delete", environments.delete, name="environment_delete"),
    path("environments/<int:pk>/restore", environments.restore, name="environment_restore"),
    path("environments/<int:pk>/star", environments.star, name="environment_star"),
    path("panes", panes.remember, name="panes"),
    path("suggestions", suggest.suggest, name="suggest"),
]
