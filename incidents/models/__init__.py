"""Models of the incidents app: incidents, their history, patterns, environments, maintenance plans and replays."""

from __future__ import annotations

from incidents.models.activity import Activity
from incidents.models.bulk import BulkAction
from incidents.models.correlation_batch import CorrelationBatch
from incidents.models.deployment import Deployment
from incidents.models.environment import Environment, Membership
from incidents.models.incident import Incident, Priority, no_counts, no_names
from incidents.models.maintenance import Maintenance, MaintenancePlan
from incidents.models.pattern import CorrelationPattern, Matcher, PatternVersion
from incidents.models.replay import LogRun, ReplayRun, Shadow, SuggestionRun
from incidents.models.search_text import SearchText
from incidents.models.share_mail import ShareMail
from incidents.models.tag import IncidentTag, IncidentTagValue
from incidents.models.wallboard import Wallboard

__all__ = [
    "Activity",
    "BulkAction",
    "CorrelationBatch",
    "CorrelationPattern",
    "Deployment",
    "Environment",
    "Incident",
    "IncidentTag",
    "IncidentTagValue",
    "LogRun",
    "Maintenance",
    "MaintenancePlan",
    "Matcher",
    "Membership",
    "PatternVersion",
    "Priority",
    "ReplayRun",
    "SearchText",
    "Shadow",
    "ShareMail",
    "SuggestionRun",
    "Wallboard",
    "no_counts",
    "no_names",
]
