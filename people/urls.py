"""URLs of people and the audit log."""

from __future__ import annotations

from django.urls import path

from people.api.audit_logs import AuditLogs
from people.views import audit, roles, staff

app_name = "people"
urlpatterns = [
    path("people", staff.people, name="list"),
    path("people/invite", staff.invite, name="invite"),
    path("people/<int:pk>", staff.person, name="person"),
    path("people/<int:pk>/change", staff.change, name="change"),
    path("people/<int:pk>/link", staff.link, name="link"),
    path("people/<int:pk>/deactivate", staff.deactivate, name="deactivate"),
    path("people/<int:pk>/activate", staff.activate, name="activate"),
    path("people/<int:pk>/unlock", staff.unlock, name="unlock"),
    path("people/<int:pk>/sessions/end", staff.end_sessions, name="end_sessions"),
    path("people/<int:pk>/keys/<int:key>/revoke", staff.revoke_key, name="revoke_key"),
    path("people/roles", roles.roles, name="roles"),
    path("people/roles/new", roles.new, name="new_role"),
    path("people/roles/<int:pk>", roles.role, name="role"),
    path("people/roles/<int:pk>/delete", roles.delete, name="delete_role"),
    path("audit", audit.log, name="audit"),
    path("audit.csv", audit.export, {"form": "csv"}, name="audit_csv"),
    path("audit.json", audit.export, {"form": "json"}, name="audit_json"),
    path("audit-logs", AuditLogs.as_view(), name="audit_logs"),
]
