"""What of a payload can be taken: the rules that both doors of the Alerts API stand on (alerts.api.alerts, alerts.fast_path.fast_path)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from alerts.events import EventRejected, IncomingEvent
from alerts.sources import bigpanda
from alerts.wire.payload import BadPayload
from appkeys.models import AppKey

FindAppKey = Callable[[str], AppKey | None]


@dataclass(slots=True)
class ValidatedRequest:
    """The events of one request, what was repaired in them, and the items that cannot be taken, by index with field and rule."""

    taken: list[tuple[AppKey, IncomingEvent]] = field(default_factory=list)
    notes: list[dict[str, object]] = field(default_factory=list)
    rejected: list[dict[str, object]] = field(default_factory=list)
    app_keys_of_rejects: list[AppKey] = field(default_factory=list)  # where they are known
    secrets: Collection[str] = ()  # that the request was sent with, where they may stand in its body

    def take(self, index: int, app_key: AppKey, event: IncomingEvent) -> None:
        if event.notes:
            self.notes += ({"index": index, "field": note.field, "rule": note.rule} for note in event.notes)
        self.taken.append((app_key, event))

    def refuse(self, index: int, app_key: AppKey | None, error: EventRejected) -> None:
        self.rejected.append({"index": index, "field": error.field, "rule": error.rule})
        if app_key:
            self.app_keys_of_rejects.append(app_key)


def validate(body: object, key_for_all: object, find_app_key: FindAppKey, *, received_at: datetime) -> ValidatedRequest:
    """Judge the alerts of a payload one by one; a reject costs its neighbours nothing.

    `key_for_all` is the App Key that the request names for all its alerts. Raises BadPayload where there are no alerts at all.
    """
    items, common = items_of(body)
    validated = ValidatedRequest()
    known: dict[str, AppKey] = {}
    validated.secrets = known
    for index, item in enumerate(items):
        app_key = None
        try:
            if not isinstance(item, dict):
                raise EventRejected("alerts", "each alert must be a JSON object")
            secret = item.get("app_key") or common or key_for_all
            app_key = known.get(secret) if isinstance(secret, str) else None
            if app_key is None:
                app_key = known[str(secret)] = named_app_key(secret, find_app_key)
            event = bigpanda.normalize(item, received_at=received_at)
        except EventRejected as error:
            validated.refuse(index, app_key, error)
        else:
            validated.take(index, app_key, event)
    return validated


def items_of(body: object) -> tuple[Sequence[object], object]:
    """The alerts of a payload, and the App Key of its batch: the payload itself, or what stands under `alerts`; a bare array is a batch too."""
    if isinstance(body, dict) and "alerts" in body and "status" not in body:
        batch, common = body["alerts"], body.get("app_key")
        if not isinstance(batch, list):
            raise BadPayload("alerts: must be an array of alert objects.")
    elif isinstance(body, list):
        batch, common = body, None
    else:
        return (body,), None
    if not batch:
        raise BadPayload("alerts: must hold at least one alert.")
    return batch, common


def named_app_key(secret: object, find_app_key: FindAppKey) -> AppKey:
    """The App Key that a request names. Raises EventRejected where it names none, or one that is not to be had."""
    if not secret:
        raise EventRejected(
            "app_key", "is required: send the App Key in the payload, as '?app_key=' or in the header 'X-App-Key'"
        )
    if not isinstance(secret, str):
        raise EventRejected("app_key", "must be a string")
    app_key = find_app_key(secret)
    if app_key is None:
        raise EventRejected("app_key", "is not known here; check it, or create an App Key under Integrations")
    if app_key.deleted_at:
        raise EventRejected(
            "app_key",
            f"of the integration {app_key.name!r} was deleted; restore it, or name a new one, under Integrations",
        )
    if not app_key.is_active:
        raise EventRejected("app_key", f"of the integration {app_key.name!r} was deactivated")
    return app_key
