"""App Keys and org tokens."""

from __future__ import annotations

app_name = "appkeys"
urlpatterns = []
