"""People, and what they did to the console itself."""

from __future__ import annotations

from people.models.audit_entry import AuditEntry
from people.models.user import User

__all__ = ["AuditEntry", "User"]
