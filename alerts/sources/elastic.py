"""Elastic: Kibana's webhook connector with the body of our setup, and ElastAlert's http_post2."""

from __future__ import annotations

from alerts.sources.reading import AlertObject, an_object, dig, pairs, required, said, severity, text

KNOWN = frozenset(
    ("rule_name", "status", "severity", "alert_id", "rule_id", "action_group", "date", "@timestamp", "tags", "url", "reason", "message", "host")
)  # fmt: skip


def normalize(payload: object) -> list[AlertObject]:
    """A rule's alert is one alert, by rule and alert id; its group `recovered` ends it."""
    body = an_object(payload)
    rule = required(body, "rule_name")
    is_over = text(body, "action_group").lower() == "recovered"
    named = dig(body, "tags")
    words = named.split(",") if isinstance(named, str) else named if isinstance(named, list) else []
    tags = {
        **dict(pairs(words)),
        **{name: value for name, value in body.items() if name not in KNOWN and not isinstance(value, dict)},
        "host": text(body, "host", "host.name", "host.hostname", "agent.name"),
        "service": text(body, "alert_id") or rule,
        "check": rule,
        "description": text(body, "reason", "message"),
        "severity": text(body, "severity", "action_group"),
        "source_url": text(body, "url"),
    }
    alert_id = f"{text(body, 'rule_id') or rule} {text(body, 'alert_id') or tags['host']}".strip()
    return [
        said(
            "ok" if is_over else severity(text(body, "status", "severity")),
            tags,
            primary="host" if tags["host"] else "service",
            identifier=alert_id,
            at=text(body, "date", "@timestamp"),
        )
    ]
