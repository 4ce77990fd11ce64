"""The gallery of tools that can be connected, with the settings that each tool needs, ready to copy.

The file `setup/<slug>.md` holds the set-up of a tool: text and fenced settings, then `## <finding>` sections with the
fixes that the doctor shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

SETUP = Path(__file__).parent / "setup"
_PLACES = re.compile(r"\$(URL|HOST|APP_KEY|TOKEN)\b")


@dataclass(frozen=True, slots=True)
class Tool:
    """A monitoring system. `slug` is the type in `<type>.<name>` and the word in its URL (docs/wire-contract.md §9.3)."""

    slug: str
    title: str
    about: str  # what it sends, in a few words
    path: str = ""  # where it sends; by default its webhook

    @property
    def url(self) -> str:
        return self.path or f"/oim/{self.slug}/alerts"


TOOLS: Mapping[str, Tool] = {
    tool.slug: tool
    for tool in (
        Tool("api", "Alerts API", "scripts and senders that know BigPanda", "/data/v2/alerts"),
        Tool("prometheus", "Prometheus Alertmanager", "webhook receiver"),
        Tool("grafana", "Grafana", "webhook contact point, unified and legacy alerting"),
        Tool("nagios", "Nagios, Naemon", "notification command"),
        Tool("icinga", "Icinga", "notification command"),
        Tool("checkmk", "Checkmk", "notification script"),
        Tool("zabbix", "Zabbix", "webhook media type"),
        Tool("prtg", "PRTG", "HTTP action of a notification template"),
        Tool("cloudwatch", "Amazon CloudWatch", "alarms through an SNS topic, signature checked"),
        Tool("azure_monitor", "Azure Monitor", "action group, common alert schema"),
        Tool("google_cloud", "Google Cloud Monitoring", "webhook notification channel"),
        Tool("datadog", "Datadog", "webhook integration"),
        Tool("newrelic", "New Relic", "workflow or classic webhook"),
        Tool("dynatrace", "Dynatrace", "custom integration"),
        Tool("splunk", "Splunk", "webhook alert action"),
        Tool("elastic", "Elastic Kibana", "webhook connector"),
        Tool("elastalert", "ElastAlert", "http_post2 alerter"),
        Tool("sentry", "Sentry", "issue and metric alerts of an internal integration"),
        Tool("uptime_kuma", "Uptime Kuma", "webhook notification"),
        Tool("healthchecks", "Healthchecks", "webhook integration"),
        Tool("pagerduty", "PagerDuty senders", "anything that speaks Events API v2", "/v2/enqueue"),
        Tool("opsgenie", "Opsgenie senders", "anything that speaks the Alert API", "/v2/alerts"),
        Tool("email", "E-mail", "messages that a mail server pipes on"),
        Tool("custom", "Anything else", "any JSON or form, mapped to alerts in the browser"),
    )
}


@dataclass(frozen=True, slots=True)
class Part:
    """A paragraph of help, or settings to copy. One of the two is empty."""

    text: SafeString
    code: str = ""
    title: str = ""  # of the settings: where they belong


def setup(slug: str, *, url: str, app_key: str = "", token: str = "") -> list[Part]:
    """Return the set-up of the tool with address and secrets filled in. `$APP_KEY` and `$TOKEN` stand for secrets that are not known."""
    address = urlsplit(url)
    values = {"URL": url, "HOST": f"{address.scheme}://{address.netloc}", "APP_KEY": app_key, "TOKEN": token}
    reader = MarkdownIt("commonmark", {"html": False})
    parts: list[Part] = []
    prose: list[Token] = []

    def flush() -> None:
        if prose:
            parts.append(Part(mark_safe(reader.renderer.render(prose, reader.options, {}))))  # noqa: S308 - a text of ours, HTML off
            prose.clear()

    for piece in reader.parse(_sections(slug)[""]):
        if piece.type == "fence":
            flush()
            code = _PLACES.sub(lambda found: values[found[1]] or found[0], piece.content.rstrip("\n"))
            parts.append(Part(SafeString(""), code, piece.info.partition(" ")[2]))
        else:
            prose.append(piece)
    flush()
    return parts


def fix(slug: str, finding: str) -> SafeString:
    """Return the tool's fix for a finding of the doctor, or an empty list if the tool has none."""
    html: str = MarkdownIt("commonmark", {"html": False}).render(_sections(slug).get(finding, ""))
    return mark_safe(html)  # noqa: S308 - a text of ours, HTML off


@cache
def _sections(slug: str) -> dict[str, str]:
    """Return the sections of the file by their `##` heading. The set-up comes before the first heading."""
    first, *others = ("\n" + (SETUP / f"{slug}.md").read_text("utf-8")).split("\n## ")
    named = (section.partition("\n") for section in others)
    return {"": first.strip()} | {name.strip(): text.strip() for name, _, text in named}
