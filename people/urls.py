"""People, and what they did."""

from __future__ import annotations

from django.urls import path

from people import api
from people.views import audit

app_name = "people"
urlpatterns = [
    path("audit", audit.log, name="audit"),
    path("audit.csv", audit.export, {"form": "csv"}, name="audit_csv"),
    path("audit.json", audit.export, {"form": "json"}, name="audit_json"),
    path("audit-logs", api.AuditLogs.as_view(), name="audit_logs"),
]
