"""URLs of a person's own page."""

from __future__ import annotations

from django.urls import path

from people.views import me, preferences

app_name = "me"
urlpatterns = [
    path("", me.me, name="page"),
    path("/preferences", preferences.preferences, name="preferences"),
    path("/password", me.password, name="password"),
    path("/keys", me.new_key, name="new_key"),
    path("/keys/<int:pk>/revoke", me.revoke_key, name="revoke_key"),
    path("/keys/<int:pk>/restore", me.restore_key, name="restore_key"),
    path("/sessions/<int:pk>/end", me.end_session, name="end_session"),
    path("/sessions/end", me.end_other_sessions, name="end_other_sessions"),
]
