"""The audit log. Every administrative change records who made it, its subject, and the old and new value of each property.

The format is that of docs/wire-contract.md §7.5.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from people.addresses import client_address
from people.models import AuditEntry, User

Change = AuditEntry.Change
Properties = Mapping[str, Any]
REDACTED = "[REDACTED]"
SECRET = re.compile(r"(password|secret|digest|credential|authorization|token|api_?key|app_?key)$", re.IGNORECASE)
NAME_LIMIT = 300
SEARCH_LIMIT = 20_000  # characters of an entry that its search looks at
ADDRESS_LIMIT = 45

_address: ContextVar[str] = ContextVar("address", default="")


class OrgToken(Protocol):
    """An org token (appkeys.models.OrgToken) that makes a change. No person stands behind it."""

    @property
    def actor_name(self) -> str: ...


Actor = User | OrgToken


def name_address(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware by which the entries of a request name the address that the request came from."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with at_address(client_address(request) or ""):
            return get_response(request)

    return middleware


@contextmanager
def at_address(address: str) -> Iterator[None]:
    """Name this address in the entries that are recorded inside the block."""
    before = _address.set(address)
    try:
        yield
    finally:
        _address.reset(before)


def record(
    actor: Actor | None, subject: Model, change: Change, *, old: Properties | None = None, new: Properties | None = None
) -> AuditEntry:
    """Record a change in the transaction that makes it. Without an actor, the console itself made the change.

    `old` and `new` are the subject's properties before and after, nested as needed. Only differences are kept. A value
    under the name of a secret is kept as `[REDACTED]`.
    """
    changes = list(_differences(_plain(old or {}), _plain(new or {})))
    entry = AuditEntry(
        at=timezone.now(),
        actor=actor if isinstance(actor, User) else None,
        actor_kind=_kind_of(actor),
        actor_name=_name_of(actor)[:NAME_LIMIT],
        address=_address.get()[:ADDRESS_LIMIT],
        entity_kind=str(subject._meta.verbose_name),
        entity_id=str(subject.pk or ""),
        entity_name=str(subject)[:NAME_LIMIT],
        change=change,
        changes=changes,
    )
    words = [entry.actor_name, actor.username if isinstance(actor, User) else "", entry.address]
    words += [entry.entity_kind, entry.entity_name, change.label]
    words += [f"{each['propertyPath']} {_text(each['oldValue'])} {_text(each['newValue'])}" for each in changes]
    entry.search_text = "\n".join(words).casefold()[:SEARCH_LIMIT]
    entry.save()
    return entry


def _name_of(actor: Actor | None) -> str:
    if actor is None:
        return "The console"
    return actor.shown_name if isinstance(actor, User) else actor.actor_name


def _kind_of(actor: Actor | None) -> AuditEntry.ActorKind:
    if actor is None:
        return AuditEntry.ActorKind.SYSTEM
    if not isinstance(actor, User):
        return AuditEntry.ActorKind.ORG_TOKEN
    return AuditEntry.ActorKind.API_KEY if actor.speaks_by_api_key else AuditEntry.ActorKind.USER


def properties(subject: Model, *names: str) -> dict[str, Any]:
    """Return the named fields of a subject as `old` or `new` of a change. A reference becomes its key."""
    return {name: subject.serializable_value(name) for name in names}


def _plain(values: Properties) -> dict[str, Any]:
    """Return the value as JSON has it: times become text, and sets of any kind become lists."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(values), cls=DjangoJSONEncoder))
    return plain


def _differences(old: dict[str, Any], new: dict[str, Any], path: str = "") -> Iterator[dict[str, Any]]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        here = f"{path}.{name}" if path else name
        if isinstance(before, dict | None) and isinstance(after, dict | None):
            yield from _differences(before or {}, after or {}, here)
            continue
        kind = "added" if before is None else "removed" if after is None else "modified"
        yield {
            "propertyPath": here,
            "changeType": kind,
            "oldValue": _shown(name, before),
            "newValue": _shown(name, after),
        }


def _shown(name: str, value: Any) -> Any:
    """Return the value without the parts that stand under the name of a secret."""
    if value is not None and SECRET.search(name):
        return REDACTED
    match value:
        case dict():
            return {key: _shown(key, each) for key, each in value.items()}
        case list():
            return [_shown(name, each) for each in value]
        case _:
            return value


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
