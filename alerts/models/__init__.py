"""Received data: alerts, the log of their events, and the state of integrations."""

from __future__ import annotations

from alerts.models.alert import Alert, Event
from alerts.models.health import Health, Refusal, Repair, TailLine, Traffic
from alerts.models.keys import key_at, made_at, time_ordered_key
from alerts.models.mapping import Mapping
from alerts.models.requests import IdempotentReply, KeptRequests

__all__ = [
    "Alert",
    "Event",
    "Health",
    "IdempotentReply",
    "KeptRequests",
    "Mapping",
    "Refusal",
    "Repair",
    "TailLine",
    "Traffic",
    "key_at",
    "made_at",
    "time_ordered_key",
]
