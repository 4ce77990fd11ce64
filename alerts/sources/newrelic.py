"""New Relic: the default template of workflows' webhooks, and the classic webhook of policies."""

from __future__ import annotations

from typing import Any

from alerts.sources.reading import AlertObject, an_object, dig, mapping, objects, required, said, severity, text

STATES = {"closed": "ok", "acknowledged": "acknowledged"}


def normalize(payload: object) -> list[AlertObject]:
    body = an_object(payload)
    return [_classic(body) if "current_state" in body else _workflow(body)]


def _workflow(body: dict[str, Any]) -> AlertObject:
    """An issue is an alert, by its id."""
    entities, conditions = _texts(body, "impactedEntities"), _texts(body, "alertConditionNames")
    policies = _texts(body, "alertPolicyNames")
    tags = {
        "host": entities[0] if entities else "",
        "service": (policies or entities or ["New Relic"])[0],
        "check": (conditions or [required(body, "title")])[0],
        "description": text(body, "title"),
        "entities": entities[1:],
        "conditions": conditions[1:],
        "policy": policies,
        "workflow": text(body, "workflowName"),
        "priority": text(body, "priority"),
        "incidents": text(body, "totalIncidents"),
        "source_url": text(body, "issueUrl"),
        "chart": text(body, "violationChartUrl", "chartLink"),
        "runbook": text(body, "runbookUrl"),
    }
    status = STATES.get(required(body, "state").lower()) or severity(body.get("priority"))
    primary = "host" if tags["host"] else "service"
    identifier = f"issue {required(body, 'id', 'issueId')}"
    return said(status, tags, primary=primary, identifier=identifier, at=text(body, "updatedAt", "createdAt"))


def _classic(body: dict[str, Any]) -> AlertObject:
    targets = objects(body, "targets")
    name = next((found for target in targets if (found := text(target, "name"))), "")
    tags = {
        **{label: value for target in targets for label, value in mapping(target, "labels").items()},
        "host": name,
        "service": text(body, "policy_name") or "New Relic",
        "check": required(body, "condition_name", "incident_id"),
        "description": text(body, "details"),
        "policy": text(body, "policy_name"),
        "account": text(body, "account_name"),
        "source_url": text(body, "incident_url"),
        "chart": text(body, "violation_chart_url"),
        "runbook": text(body, "runbook_url"),
    }
    status = STATES.get(text(body, "current_state").lower()) or severity(body.get("severity"))
    identifier = f"incident {required(body, 'incident_id')} {text(body, 'condition_id')}".strip()
    return said(status, tags, primary="host" if name else "service", identifier=identifier, at=text(body, "timestamp"))


def _texts(body: dict[str, Any], path: str) -> list[str]:
    value = dig(body, path)
    return [each for each in value if isinstance(each, str) and each] if isinstance(value, list) else []
