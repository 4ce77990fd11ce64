"""People, their permissions, and their changes to the console itself."""

from __future__ import annotations

from people.models.api_key import ApiKey, Scope
from people.models.audit_entry import AuditEntry
from people.models.browser_session import BrowserSession
from people.models.invitation import Invitation
from people.models.preferences import Preferences
from people.models.role import Area, BuiltIn, Level, Role
from people.models.secret_key import SecretKey
from people.models.user import User

__all__ = [
    "ApiKey",
    "Area",
    "AuditEntry",
    "BrowserSession",
    "BuiltIn",
    "Invitation",
    "Level",
    "Preferences",
    "Role",
    "Scope",
    "SecretKey",
    "User",
]
