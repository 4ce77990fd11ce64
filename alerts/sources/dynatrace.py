"""Dynatrace: the custom integration with the payload of our setup, Dynatrace's own placeholders as JSON."""

from __future__ import annotations

from alerts.sources.reading import AlertObject, alert_object, as_object, objects_at, pairs, required, text_at

STATES = {"resolved": "ok", "merged": "ok"}  # a merged problem continues in another one
SEVERITIES = {"availability": "critical", "error": "critical", "custom_alert": "critical", "custom alert": "critical"}


def normalize(payload: object) -> list[AlertObject]:
    problem = as_object(payload)
    entities = [name for each in objects_at(problem, "ImpactedEntities") if (name := text_at(each, "name"))]
    kind = text_at(problem, "ProblemSeverity").lower()
    tags = {
        **dict(pairs(text_at(problem, "Tags").split(","))),
        "host": entities[0] if entities else text_at(problem, "ImpactedEntity"),
        "service": text_at(problem, "ProblemImpact") or "Dynatrace",
        "check": required(problem, "ProblemTitle"),
        "description": text_at(problem, "ProblemDetailsText", "ProblemTitle"),
        "entities": entities[1:],
        "impact": text_at(problem, "ProblemImpact"),
        "severity": text_at(problem, "ProblemSeverity"),
        "problem": text_at(problem, "ProblemID"),
        "source_url": text_at(problem, "ProblemURL"),
    }
    status = STATES.get(required(problem, "State").lower()) or SEVERITIES.get(kind, "warning" if kind else "critical")
    identifier = f"problem {required(problem, 'PID', 'ProblemID')}"
    return [alert_object(status, tags, primary="host" if tags["host"] else "service", identifier=identifier)]
