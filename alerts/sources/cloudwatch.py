"""Amazon CloudWatch: alarms in the envelope of an SNS notification, whose signature `alerts.api.sns` checks first."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, alert_object, as_object, objects_at, required, text_at

STATES = {"ALARM": "critical", "OK": "ok", "INSUFFICIENT_DATA": "unknown"}


def normalize(payload: object) -> list[AlertObject]:
    alarm = _alarm(as_object(payload))
    name = required(alarm, "AlarmName")
    state = required(alarm, "NewStateValue").upper()
    if state not in STATES:
        raise EventRejected("NewStateValue", "must be ALARM, OK or INSUFFICIENT_DATA")
    arn = text_at(alarm, "AlarmArn")
    region = arn.split(":")[3] if arn.count(":") > 3 else ""
    dimensions = {
        text_at(each, "name"): text_at(each, "value")
        for each in objects_at(alarm, "Trigger.Dimensions")
        if text_at(each, "name")
    }
    service = text_at(alarm, "Trigger.Namespace")
    tags = {
        **dimensions,
        "host": dimensions.get("InstanceId") or next(iter(dimensions.values()), ""),
        "service": service or name,
        "check": name,
        "description": text_at(alarm, "NewStateReason"),
        "details": text_at(alarm, "AlarmDescription"),
        "metric": text_at(alarm, "Trigger.MetricName"),
        "region": region or text_at(alarm, "Region"),
        "account": text_at(alarm, "AWSAccountId"),
        "source_url": f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#alarmsV2:alarm/{quote(name, safe='')}"
        if region
        else "",
    }
    primary = "host" if tags["host"] else "service"
    return [
        alert_object(
            STATES[state],
            tags,
            primary=primary,
            identifier=arn or f"alarm {name}",
            at=text_at(alarm, "StateChangeTime"),
        )
    ]


def _alarm(envelope: dict[str, Any]) -> dict[str, Any]:
    message = envelope.get("Message")
    try:
        alarm = json.loads(message) if isinstance(message, str) else None
    except (ValueError, RecursionError):
        alarm = None
    if not isinstance(alarm, dict):
        raise EventRejected("Message", "must be a CloudWatch alarm as JSON; turn raw message delivery off")
    return alarm
