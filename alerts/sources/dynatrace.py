"""Dynatrace's custom integration, with the payload of our setup: its own placeholders as JSON."""

from __future__ import annotations

from alerts.sources.reading import AlertObject, an_object, objects, pairs, required, said, text

STATES = {"resolved": "ok", "merged": "ok"}  # a merged problem goes on in another one
SEVERITIES = {"availability": "critical", "error": "critical", "custom_alert": "critical", "custom alert": "critical"}


def normalize(payload: object) -> list[AlertObject]:
    problem = an_object(payload)
    entities = [name for each in objects(problem, "ImpactedEntities") if (name := text(each, "name"))]
    kind = text(problem, "ProblemSeverity").lower()
    tags = {
        **dict(pairs(text(problem, "Tags").split(","))),
        "host": entities[0] if entities else text(problem, "ImpactedEntity"),
        "service": text(problem, "ProblemImpact") or "Dynatrace",
        "check": required(problem, "ProblemTitle"),
        "description": text(problem, "ProblemDetailsText", "ProblemTitle"),
        "entities": entities[1:],
        "impact": text(problem, "ProblemImpact"),
        "severity": text(problem, "ProblemSeverity"),
        "problem": text(problem, "ProblemID"),
        "source_url": text(problem, "ProblemURL"),
    }
    status = STATES.get(required(problem, "State").lower()) or SEVERITIES.get(kind, "warning" if kind else "critical")
    identifier = f"problem {required(problem, 'PID', 'ProblemID')}"
    return [said(status, tags, primary="host" if tags["host"] else "service", identifier=identifier)]
