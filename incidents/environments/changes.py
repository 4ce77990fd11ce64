"""Changes of environments and wallboards.

Each change writes an entry of the audit log in the same transaction.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

from django.db import transaction
from django.utils import timezone

from incidents.environments import openings, placement, tasks
from incidents.models import Environment, Wallboard
from incidents.models.wallboard import next_expiry
from people import audit
from people.models import User


class NameTaken(Exception):
    """A restore of an environment whose name another environment has by now. The message tells people so."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The properties of an environment that people decide, as EnvironmentForm has checked them."""

    name: str
    description: str
    query: str
    group: str
    seen_by: list[int]  # keys of roles
    acted_by: list[int]  # likewise

    @classmethod
    def of(cls, environment: Environment) -> Self:
        return cls(
            environment.name,
            environment.description,
            environment.query,
            environment.group,
            environment.seen_by,
            environment.acted_by,
        )


# A change that opens incidents to roles says so first: without `confirmed` it raises OpensIncidents.


@transaction.atomic
def create(draft: Draft, *, by: User, confirmed: bool = False) -> Environment:
    """Create an environment. Its incidents are placed in the background."""
    environment = Environment(**asdict(draft), created_by=by, set_by_administrator=by.is_administrator)
    opened = _confirmed_openings(None, environment, confirmed=confirmed)
    environment.save()
    _place_incidents(environment)
    audit.record(by, environment, audit.Change.CREATED, new=_recorded(environment) | opened)
    return environment


@transaction.atomic
def edit(environment: Environment, draft: Draft, *, by: User, confirmed: bool = False) -> Environment:
    """Give an environment other properties. For another query, incidents are placed again in the background."""
    before = _locked(environment)
    environment = _locked(environment)
    for name, value in asdict(draft).items():
        setattr(environment, name, value)
    if _boundary(before) != _boundary(environment):
        environment.set_by_administrator = by.is_administrator
    elif by.is_administrator:
        environment.set_by_administrator = True
    opened = _confirmed_openings(before, environment, confirmed=confirmed)
    environment.save()
    if draft.query != before.query:
        _place_incidents(environment)
    audit.record(by, environment, audit.Change.CHANGED, old=_recorded(before), new=_recorded(environment) | opened)
    return environment


@transaction.atomic
def delete(environment: Environment, *, by: User, confirmed: bool = False) -> None:
    """Delete an environment. The environment stays stored, so that people can restore it."""
    environment = _locked(environment)
    if environment.deleted_at is None:
        opened = _confirmed_openings(environment, None, confirmed=confirmed)
        environment.deleted_at = timezone.now()
        environment.save(update_fields=["deleted_at"])
        audit.record(by, environment, audit.Change.DELETED, old=_recorded(environment), new=opened)


@transaction.atomic
def restore(environment: Environment, *, by: User) -> None:
    """Undo a deletion. Raise NameTaken where another environment has the name by now.

    Like any other change, only an administrator restores what the environment opens.
    """
    environment = _locked(environment)
    if environment.deleted_at is None:
        return
    if Environment.objects.kept().filter(name__iexact=environment.name).exists():
        raise NameTaken(f"Another environment is called {environment.name} by now. Rename that one first.")
    environment.deleted_at = None
    environment.set_by_administrator = environment.set_by_administrator and by.is_administrator
    environment.save(update_fields=["deleted_at", "set_by_administrator"])
    _place_incidents(environment)
    audit.record(by, environment, audit.Change.RESTORED, new=_recorded(environment))


def _boundary(environment: Environment) -> tuple[str, set[int], set[int]]:
    """Return the properties that decide who sees which incidents and acts on them."""
    return environment.query, set(environment.seen_by), set(environment.acted_by)


def _recorded(environment: Environment) -> dict[str, Any]:
    """Return the properties as the audit log has them."""
    return asdict(Draft.of(environment)) | {"set_by_administrator": environment.set_by_administrator}


def _confirmed_openings(
    before: Environment | None, after: Environment | None, *, confirmed: bool
) -> dict[str, dict[str, int | None]]:
    """Return the incidents that a change opens, for the audit log. Raise OpensIncidents unless they are confirmed."""
    found = openings.opened(before, after)
    if found and not confirmed:
        raise openings.OpensIncidents(found)
    return {"incidents_opened": {each.role.name: each.incidents for each in found}} if found else {}


def _locked(environment: Environment) -> Environment:
    # Two people may change an environment at once. The lock makes the second person wait for the first.
    return Environment.objects.select_for_update().get(pk=environment.pk)


def _place_incidents(environment: Environment) -> None:
    placement.mark_unplaced(environment)
    transaction.on_commit(tasks.place_incidents.delay)


# --- wallboards


@transaction.atomic
def issue_wallboard(
    *, name: str, environment: Environment | None, sound: bool, flash: bool, by: User
) -> tuple[Wallboard, str]:
    """Create a wallboard. Return the wallboard and the secret of its link, which is not stored."""
    board, secret = Wallboard.issue(name=name, environment=environment, sound=sound, flash=flash, by=by)
    audit.record(by, board, audit.Change.CREATED, new=audit.properties(board, "name", "environment", "expires_at"))
    return board, secret


@transaction.atomic
def renew_wallboard(board: Wallboard, *, by: User) -> None:
    """Move the end of a link to as many days from now as a new link has."""
    old = audit.properties(board, "expires_at")
    board.expires_at = next_expiry()
    board.save(update_fields=["expires_at"])
    audit.record(by, board, audit.Change.CHANGED, old=old, new=audit.properties(board, "expires_at"))


@transaction.atomic
def set_wallboard_active(board: Wallboard, active: bool, *, by: User) -> None:
    """Revoke the link of a wallboard, or accept the link again."""
    board.revoked_at = None if active else timezone.now()
    board.save(update_fields=["revoked_at"])
    audit.record(by, board, audit.Change.ACTIVATED if active else audit.Change.DEACTIVATED)
