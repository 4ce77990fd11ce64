"""URLs of App Keys and org tokens."""

from __future__ import annotations

from django.urls import path

from appkeys.views import integrations, tokens

app_name = "appkeys"
urlpatterns = [
    path("", integrations.integrations, name="list"),
    path("new", integrations.tools, name="new"),
    path("new/<str:slug>", integrations.new, name="name"),
    path("<int:pk>", integrations.detail, name="detail"),
    path("<int:pk>/status", integrations.status, name="status"),
    path("<int:pk>/rename", integrations.rename, name="rename"),
    path("<int:pk>/rotate", integrations.rotate, name="rotate"),
    path("<int:pk>/rotate/end", integrations.end_overlap, name="end_overlap"),
    path("<int:pk>/rotate/prolong", integrations.prolong_overlap, name="prolong_overlap"),
    path("<int:pk>/deactivate", integrations.deactivate, name="deactivate"),
    path("<int:pk>/activate", integrations.activate, name="activate"),
    path("<int:pk>/delete", integrations.delete, name="delete"),
    path("<int:pk>/restore", integrations.restore, name="restore"),
    path("tokens", tokens.tokens, name="tokens"),
    path("tokens/new", tokens.new, name="new_token"),
    path("tokens/<int:pk>/revoke", tokens.revoke, name="revoke"),
    path("tokens/<int:pk>/restore", tokens.restore, name="restore_token"),
]
