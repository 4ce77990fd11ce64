"""App Keys and org tokens."""

from __future__ import annotations

from django.urls import path

from appkeys import views

app_name = "appkeys"
urlpatterns = [
    path("", views.integrations, name="list"),
    path("new", views.new, name="new"),
    path("<int:pk>", views.detail, name="detail"),
    path("<int:pk>/status", views.status, name="status"),
    path("<int:pk>/deactivate", views.deactivate, name="deactivate"),
    path("<int:pk>/activate", views.activate, name="activate"),
    path("tokens", views.tokens, name="tokens"),
    path("tokens/<int:pk>/revoke", views.revoke, name="revoke"),
    path("tokens/<int:pk>/restore", views.restore, name="restore"),
]
