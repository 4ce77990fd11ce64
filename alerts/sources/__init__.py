"""Every monitoring system that we speak with: a pure function each, from its payload to alerts as the Alerts API takes them.

What such an alert may hold, how long, and what is repaired, is one rule for all (alerts.sources.bigpanda).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from alerts.sources import grafana, nagios, prometheus
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
    )
)  # fmt: skip


def find(word: str) -> Source | None:
    """The source of a word in a URL; BigPanda's own words with a version ("datadog_v2") name it too."""
    return SOURCES.get(re.sub(r"_?v\d+$", "", word.lower()))
