"""The sources of alerts: for each tool a pure function from its payload to alerts as the Alerts API takes them.

The rules for the fields of such an alert are the same for all sources (`alerts.sources.bigpanda`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

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
Reply = tuple[HTTPStatus, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Source:
    """The webhook of a tool, with what sets the tool apart from others.

    `normalize` is pure and raises nothing but EventRejected. `expects` describes a right payload to a sender of another
    one.
    """

    tool: Tool
    normalize: Normalize
    expects: str
    reads_mail: bool = False  # whether a body that is neither a form nor JSON is a MIME message
    is_signed_by_sns: bool = False
    # Where the tool's own route, `tool.path`, finds `<org token>:<App Key>`: in this field of the payload or in this
    # header.
    secrets_field: str = ""
    secrets_header: str = ""
    # The reply of the tool's own route to accepted alerts and duplicates, as the tool's senders expect it.
    own_reply: Callable[[list[AlertObject]], Reply] | None = None


SOURCES: Mapping[str, Source] = {
    source.tool.slug: source
    for source in (
        Source(TOOLS["prometheus"], prometheus.normalize, "the webhook of Alertmanager, version 4: an object with 'alerts'"),
        Source(TOOLS["grafana"], grafana.normalize, "a webhook of Grafana: an object with 'alerts', or 'ruleName' and 'state' from before version 8"),
        Source(TOOLS["nagios"], nagios.normalize, "'host_name', 'service_description' and 'state', or an object with 'events'"),
        Source(TOOLS["icinga"], nagios.normalize, "'host_name', 'service_description' and 'state'"),
        Source(TOOLS["checkmk"], checkmk.normalize, "the NOTIFY_ variables of a notification, as our script posts them"),
        Source(TOOLS["zabbix"], zabbix.normalize, "the parameters of our media type: 'trigger_id', 'trigger_name', 'host_name', 'event_value'"),
        Source(TOOLS["prtg"], prtg.normalize, "a form with 'device', 'sensor', 'status' and 'message'"),
        Source(TOOLS["cloudwatch"], cloudwatch.normalize, "an SNS message, signed, with a CloudWatch alarm as its 'Message'", is_signed_by_sns=True),
        Source(TOOLS["azure_monitor"], azure_monitor.normalize, "the common alert schema: 'data.essentials' with 'alertId' and 'monitorCondition'"),
        Source(TOOLS["google_cloud"], google_cloud.normalize, "an object with 'incident', which has 'incident_id', 'state' and 'policy_name'"),
        Source(TOOLS["datadog"], datadog.normalize, "the payload of our setup: 'title', 'aggreg_key', 'alert_transition', 'alert_type'"),
        Source(TOOLS["newrelic"], newrelic.normalize, "a workflow's 'id', 'title' and 'state', or the classic 'incident_id' and 'current_state'"),
        Source(TOOLS["dynatrace"], dynatrace.normalize, "the payload of our setup: 'State', 'ProblemID' and 'ProblemTitle'"),
        Source(TOOLS["splunk"], splunk.normalize, "Splunk's webhook: 'search_name' and 'result'"),
        Source(TOOLS["elastic"], elastic.normalize, "the body of our setup: 'rule_name', 'alert_id' and 'action_group'"),
        Source(TOOLS["elastalert"], elastic.normalize, "the match with a static 'rule_name' and 'status'"),
        Source(TOOLS["sentry"], sentry.normalize, "'data' with 'event', 'issue' or 'metric_alert'"),
        Source(TOOLS["uptime_kuma"], uptime_kuma.normalize, "'heartbeat' with 'status', and 'monitor'"),
        Source(TOOLS["healthchecks"], healthchecks.normalize, "the body of our setup: 'status', 'time' and 'check'"),
        Source(TOOLS["pagerduty"], pagerduty.normalize, "'event_action', 'dedup_key' and a 'payload' with 'summary' and 'source'",
               secrets_field="routing_key", secrets_header="X-Routing-Key", own_reply=pagerduty.reply),
        Source(TOOLS["opsgenie"], opsgenie.normalize, "'message' and 'alias', or an alias to close or acknowledge",
               own_reply=opsgenie.reply),
        Source(TOOLS["email"], mail.normalize, "a MIME message with a subject", reads_mail=True),
    )
}  # fmt: skip


def find(word: str) -> Source | None:
    """Return the source that a word in a URL names, with or without a version as BigPanda writes it ("datadog_v2")."""
    return SOURCES.get(re.sub(r"_?v\d+$", "", word.lower()))
