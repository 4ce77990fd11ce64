"""The console's pages."""

from __future__ import annotations

from django.urls import path

from incidents import views

app_name = "incidents"
urlpatterns = [
    path("", views.feed, name="feed"),
    path("incidents/<int:pk>", views.detail, name="detail"),
    path("incidents/<int:pk>/activity", views.detail, {"tab": "activity"}, name="activity"),
    path("incidents/<int:pk>/why", views.detail, {"tab": "why"}, name="why"),
    path("incidents/<int:pk>/resolve", views.resolve, name="resolve"),
    path("incidents/<int:pk>/undo", views.undo, name="undo"),
    path("incidents/<int:pk>/assign", views.assign, name="assign"),
    path("incidents/<int:pk>/release", views.release, name="release"),
    path("incidents/<int:pk>/comment", views.comment, name="comment"),
]
