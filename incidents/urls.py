"""The console's pages."""

from __future__ import annotations

from django.urls import path

from incidents.views import actions, feed, incident

app_name = "incidents"
urlpatterns = [
    path("", feed.feed, name="feed"),
    path("incidents/<int:pk>", incident.detail, name="detail"),
    path("incidents/<int:pk>/activity", incident.detail, {"tab": "activity"}, name="activity"),
    path("incidents/<int:pk>/why", incident.detail, {"tab": "why"}, name="why"),
    path("incidents/<int:pk>/resolve", actions.resolve, name="resolve"),
    path("incidents/<int:pk>/undo", actions.undo, name="undo"),
    path("incidents/<int:pk>/assign", actions.assign, name="assign"),
    path("incidents/<int:pk>/release", actions.release, name="release"),
    path("incidents/<int:pk>/comment", actions.comment, name="comment"),
]
