"""Amazon CloudWatch alarms, in the envelope of an SNS notification. Whether it was SNS who sent it is asked before (alerts.api.sns)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from alerts.events import EventRejected
from alerts.sources.reading import AlertObject, an_object, objects, required, said, text

STATES = {"ALARM": "critical", "OK": "ok", "INSUFFICIENT_DATA": "unknown"}


def normalize(payload: object) -> list[AlertObject]:
    alarm = _alarm(an_object(payload))
    name = required(alarm, "AlarmName")
    state = required(alarm, "NewStateValue").upper()
    if state not in STATES:
        raise EventRejected("NewStateValue", "must be ALARM, OK or INSUFFICIENT_DATA")
    arn = text(alarm, "AlarmArn")
    region = arn.split(":")[3] if arn.count(":") > 3 else ""
    dimensions = {
        text(each, "name"): text(each, "value") for each in objects(alarm, "Trigger.Dimensions") if text(each, "name")
    }
    service = text(alarm, "Trigger.Namespace")
    tags = {
        **dimensions,
        "host": dimensions.get("InstanceId") or next(iter(dimensions.values()), ""),
        "service": service or name,
        "check": name,
        "description": text(alarm, "NewStateReason"),
        "details": text(alarm, "AlarmDescription"),
        "metric": text(alarm, "Trigger.MetricName"),
        "region": region or text(alarm, "Region"),
        "account": text(alarm, "AWSAccountId"),
        "source_url": f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#alarmsV2:alarm/{quote(name, safe='')}"
        if region
        else "",
    }
    primary = "host" if tags["host"] else "service"
    return [
        said(STATES[state], tags, primary=primary, identifier=arn or f"alarm {name}", at=text(alarm, "StateChangeTime"))
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
