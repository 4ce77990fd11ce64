"""New Relic: the default template of webhooks in workflows, and the classic webhook of policies."""

from __future__ import annotations

from typing import Any

from alerts.sources.reading import (
    AlertObject,
    alert_object,
    as_object,
    object_at,
    objects_at,
    required,
    severity,
    text_at,
    value_at,
)

STATES = {"closed": "ok", "acknowledged": "acknowledged"}


def normalize(payload: object) -> list[AlertObject]:
    body = as_object(payload)
    return [_classic(body) if "current_state" in body else _workflow(body)]


def _workflow(body: dict[str, Any]) -> AlertObject:
    """Return one alert for an issue, by its id."""
    entities, conditions = _texts(body, "impactedEntities"), _texts(body, "alertConditionNames")
    policies = _texts(body, "alertPolicyNames")
    tags = {
        "host": entities[0] if entities else "",
        "service": (policies or entities or ["New Relic"])[0],
        "check": (conditions or [required(body, "title")])[0],
        "description": text_at(body, "title"),
        "entities": entities[1:],
        "conditions": conditions[1:],
        "policy": policies,
        "workflow": text_at(body, "workflowName"),
        "priority": text_at(body, "priority"),
        "incidents": text_at(body, "totalIncidents"),
        "source_url": text_at(body, "issueUrl"),
        "chart": text_at(body, "violationChartUrl", "chartLink"),
        "runbook": text_at(body, "runbookUrl"),
    }
    status = STATES.get(required(body, "state").lower()) or severity(body.get("priority"))
    primary = "host" if tags["host"] else "service"
    identifier = f"issue {required(body, 'id', 'issueId')}"
    return alert_object(
        status, tags, primary=primary, identifier=identifier, at=text_at(body, "updatedAt", "createdAt")
    )


def _classic(body: dict[str, Any]) -> AlertObject:
    targets = objects_at(body, "targets")
    name = next((found for target in targets if (found := text_at(target, "name"))), "")
    tags = {
        **{label: value for target in targets for label, value in object_at(target, "labels").items()},
        "host": name,
        "service": text_at(body, "policy_name") or "New Relic",
        "check": required(body, "condition_name", "incident_id"),
        "description": text_at(body, "details"),
        "policy": text_at(body, "policy_name"),
        "account": text_at(body, "account_name"),
        "source_url": text_at(body, "incident_url"),
        "chart": text_at(body, "violation_chart_url"),
        "runbook": text_at(body, "runbook_url"),
    }
    status = STATES.get(text_at(body, "current_state").lower()) or severity(body.get("severity"))
    identifier = f"incident {required(body, 'incident_id')} {text_at(body, 'condition_id')}".strip()
    return alert_object(
        status, tags, primary="host" if name else "service", identifier=identifier, at=text_at(body, "timestamp")
    )


def _texts(body: dict[str, Any], path: str) -> list[str]:
    value = value_at(body, path)
    return [each for each in value if isinstance(each, str) and each] if isinstance(value, list) else []
