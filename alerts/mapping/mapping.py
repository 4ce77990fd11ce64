"""Mappings of App Keys: the current one, its versions, and the alerts of a payload (docs/wire-contract.md §9.2)."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from alerts.events import EventRejected, Status
from alerts.models import Mapping
from alerts.sources import bigpanda, oim
from alerts.sources.oim import BadConfig
from alerts.sources.reading import AlertObject
from appkeys.models import AppKey
from bpql import BpqlError, fold_tags, parse
from people import audit
from people.audit import Actor
from people.models import User

SAMPLE_LIMIT = 256 * 1024  # characters of JSON


def current(app_key: AppKey) -> Mapping | None:
    return Mapping.objects.filter(app_key=app_key, is_current=True).select_related("app_key").first()


def alerts_of(mapping: Mapping, payload: object) -> list[AlertObject]:
    """Return the alerts of a payload that pass the filter of the mapping. Raise EventRejected."""
    found = oim.normalize(mapping.config, payload)
    if not mapping.config.get("event_filter"):
        return found
    passes = _filter(str(mapping.config["event_filter"]))
    return [alert for alert in found if passes(_AlertSubject.of(alert, mapping.app_key))]


@transaction.atomic
def save(app_key: AppKey, config: object, sample: object, *, by: Actor | None, note: str = "") -> Mapping:
    """Create a version and make it the current one. Raise BadConfig."""
    AppKey.objects.select_for_update().get(pk=app_key.pk)  # two savers at once would take the same number
    if len(json.dumps(sample)) > SAMPLE_LIMIT:
        raise BadConfig("sample_payload", f"is longer than {SAMPLE_LIMIT // 1024} KB")
    checked = oim.check(config, sample)
    if checked.get("event_filter"):
        _filter(checked["event_filter"])
    before = current(app_key)
    Mapping.objects.filter(app_key=app_key, is_current=True).update(is_current=False)
    newest = Mapping.objects.filter(app_key=app_key).aggregate(number=Max("version", default=0))["number"]
    made = Mapping.objects.create(
        app_key=app_key,
        version=newest + 1,
        config=checked,
        sample=sample,
        is_current=True,
        note=note,
        created_by=by if isinstance(by, User) else None,
        created_at=timezone.now(),
    )
    old = {"mapping": before.config} if before else None
    audit.record(by, app_key, audit.Change.CHANGED, old=old, new={"mapping": made.config})
    return made


def restore(version: Mapping, *, by: Actor | None) -> Mapping:
    """Save the configuration of a version as a new version. Raise BadConfig if it can no longer be used."""
    return save(version.app_key, version.config, version.sample, by=by, note=f"Version {version.version} restored")


@transaction.atomic
def switch_off(app_key: AppKey, *, by: Actor | None) -> None:
    """Use no mapping: the source of the tool reads the payloads again. The versions stay and can be restored."""
    if before := current(app_key):
        Mapping.objects.filter(pk=before.pk).update(is_current=False)
        audit.record(by, app_key, audit.Change.CHANGED, old={"mapping": before.config}, new={})


def difference(old: Mapping | None, new: Mapping) -> list[str]:
    """Return the differing lines of two configurations, each after `+`, `-` or a space."""
    before = _written(old.config) if old else []
    lines = difflib.unified_diff(before, _written(new.config), lineterm="", n=2)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _written(config: dict[str, Any]) -> list[str]:
    return json.dumps(config, indent=2, ensure_ascii=False, sort_keys=True).splitlines()


class _AlertSubject(NamedTuple):
    """An alert in the form that a query matches."""

    folded: dict[str, list[str]]
    source: str
    status_name: str

    @classmethod
    def of(cls, alert: AlertObject, app_key: AppKey) -> _AlertSubject:
        try:
            event = bigpanda.normalize(alert, received_at=timezone.now(), may_follow=True)
        except EventRejected:  # the alert is rejected later, with the reason
            return cls({}, app_key.source_system, Status.UNKNOWN.label)
        return cls(fold_tags(event.tags), app_key.source_system, Status(event.status).label)


def _filter(written: str) -> Callable[[Any], bool]:
    try:
        query = parse(written)
        query.require_alerts()
    except BpqlError as error:
        raise BadConfig("event_filter", str(error)) from error
    return query.matches
