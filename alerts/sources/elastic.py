"""Elastic: the webhook connector of Kibana with the body of our setup, and http_post2 of ElastAlert."""

from __future__ import annotations

from alerts.sources.reading import AlertObject, alert_object, as_object, pairs, required, severity, text_at, value_at

KNOWN = frozenset(
    ("rule_name", "status", "severity", "alert_id", "rule_id", "action_group", "date", "@timestamp", "tags", "url", "reason", "message", "host")
)  # fmt: skip


def normalize(payload: object) -> list[AlertObject]:
    """Return one alert by rule and alert id. The action group `recovered` ends the alert."""
    body = as_object(payload)
    rule = required(body, "rule_name")
    is_over = text_at(body, "action_group").lower() == "recovered"
    named = value_at(body, "tags")
    words = named.split(",") if isinstance(named, str) else named if isinstance(named, list) else []
    tags = {
        **dict(pairs(words)),
        **{name: value for name, value in body.items() if name not in KNOWN and not isinstance(value, dict)},
        "host": text_at(body, "host", "host.name", "host.hostname", "agent.name"),
        "service": text_at(body, "alert_id") or rule,
        "check": rule,
        "description": text_at(body, "reason", "message"),
        "severity": text_at(body, "severity", "action_group"),
        "source_url": text_at(body, "url"),
    }
    alert_id = f"{text_at(body, 'rule_id') or rule} {text_at(body, 'alert_id') or tags['host']}".strip()
    return [
        alert_object(
            "ok" if is_over else severity(text_at(body, "status", "severity")),
            tags,
            primary="host" if tags["host"] else "service",
            identifier=alert_id,
            at=text_at(body, "date", "@timestamp"),
        )
    ]
