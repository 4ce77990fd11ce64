"""Every monitoring system that we speak with: a pure function each, from its payload to alerts as the Alerts API takes them.

What such an alert may hold, how long, and what is repaired, is one rule for all (alerts.sources.bigpanda).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from alerts.sources import (
    azure_monitor,
    checkmk,
    cloudwatch,
    datadog,
    dynatrace,
    elastic,
    google_cloud,
    grafana,
    healthchecks,
    mail,
    nagios,
    newrelic,
    opsgenie,
    pagerduty,
    prometheus,
    prtg,
    sentry,
    splunk,
    uptime_kuma,
    zabbix,
)
from alerts.sources.reading import AlertObject
from appkeys.gallery import TOOLS, Tool

Normalize = Callable[[object], list[AlertObject]]


@dataclass(frozen=True, slots=True)
class Source:
    """A tool's webhook. `normalize` is pure and raises nothing but EventRejected; `expects` tells a sender of something else what would be right."""

    tool: Tool
    normalize: Normalize
    expects: str


def _source(slug: str, normalize: Normalize, expects: str) -> tuple[str, Source]:
    return slug, Source(TOOLS[slug], normalize, expects)


SOURCES: Mapping[str, Source] = dict(
    (
        _source("prometheus", prometheus.normalize, "the webhook of Alertmanager, version 4: an object with 'alerts'"),
        _source("grafana", grafana.normalize, "a webhook of Grafana: an object with 'alerts', or 'ruleName' and 'state' from before version 8"),
        _source("nagios", nagios.normalize, "'host_name', 'service_description' and 'state', or an object with 'events'"),
        _source("icinga", nagios.normalize, "'host_name', 'service_description' and 'state'"),
        _source("checkmk", checkmk.normalize, "the NOTIFY_ variables of a notification, as our script posts them"),
        _source("zabbix", zabbix.normalize, "the parameters of our media type: 'trigger_id', 'trigger_name', 'host_name', 'event_value'"),
        _source("prtg", prtg.normalize, "a form with 'device', 'sensor', 'status' and 'message'"),
        _source("cloudwatch", cloudwatch.normalize, "an SNS message, signed, with a CloudWatch alarm as its 'Message'"),
        _source("azure_monitor", azure_monitor.normalize, "the common alert schema: 'data.essentials' with 'alertId' and 'monitorCondition'"),
        _source("google_cloud", google_cloud.normalize, "an object with 'incident', which has 'incident_id', 'state' and 'policy_name'"),
        _source("datadog", datadog.normalize, "the payload of our setup: 'title', 'aggreg_key', 'alert_transition', 'alert_type'"),
        _source("newrelic", newrelic.normalize, "a workflow's 'id', 'title' and 'state', or the classic 'incident_id' and 'current_state'"),
        _source("dynatrace", dynatrace.normalize, "the payload of our setup: 'State', 'ProblemID' and 'ProblemTitle'"),
        _source("splunk", splunk.normalize, "Splunk's webhook: 'search_name' and 'result'"),
        _source("elastic", elastic.normalize, "the body of our setup: 'rule_name', 'alert_id' and 'action_group'"),
        _source("elastalert", elastic.normalize, "the match with a static 'rule_name' and 'status'"),
        _source("sentry", sentry.normalize, "'data' with 'event', 'issue' or 'metric_alert'"),
        _source("uptime_kuma", uptime_kuma.normalize, "'heartbeat' with 'status', and 'monitor'"),
        _source("healthchecks", healthchecks.normalize, "the body of our setup: 'status', 'time' and 'check'"),
        _source("pagerduty", pagerduty.normalize, "'event_action', 'dedup_key' and a 'payload' with 'summary' and 'source'"),
        _source("opsgenie", opsgenie.normalize, "'message' and 'alias', or an alias to close or acknowledge"),
        _source("email", mail.normalize, "a MIME message with a subject"),
    )
)  # fmt: skip


def find(word: str) -> Source | None:
    """The source of a word in a URL; BigPanda's own words with a version ("datadog_v2") name it too."""
    return SOURCES.get(re.sub(r"_?v\d+$", "", word.lower()))
