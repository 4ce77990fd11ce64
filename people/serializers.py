"""Serializers of people and audit entries, in the shapes of BigPanda's API (docs/wire-contract.md §7.5)."""

from __future__ import annotations

from typing import Any

from people.models import AuditEntry


def audit_log(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": str(entry.pk),
        "timestamp": entry.at.isoformat(),
        "entityType": entry.entity_kind,
        "entityName": entry.entity_name,
        "entityId": entry.entity_id,
        "changeType": entry.change,
        "actorType": entry.actor_kind,
        "userFullName": entry.actor_name,
        "userId": str(entry.actor_id) if entry.actor_id else None,
        "metadata": {},
        "changes": entry.changes,
    }
