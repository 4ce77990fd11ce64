"""Changes of people and roles: invite, edit, deactivate, and save or delete a role."""

from __future__ import annotations

from django.db import transaction

from people import audit, keys, lockout, sessions
from people.audit import Change
from people.models import ApiKey, BrowserSession, Invitation, Role, User

SHOWN = ("username", "first_name", "last_name", "email")


class NotAllowed(Exception):
    """A change that would grant too much or leave the console without an administrator. The text says why and what to do."""


@transaction.atomic
def invite(user: User, *, by: User) -> str:
    """Add a person without a password. Return the secret of the link that sets one. Raise ValidationError or NotAllowed."""
    _within_reach(user.role, by)
    user.set_unusable_password()
    user.full_clean()
    user.save()
    audit.record(by, user, Change.INVITED, new=_properties(user))
    return Invitation.issue(user)


@transaction.atomic
def renew_link(user: User, *, by: User) -> str:
    """Return a new link that sets a password. The old password works until the link is used."""
    within_reach(user, by)
    audit.record(by, user, Change.INVITED, new={"link": "to set a password"})
    return Invitation.issue(user)


@transaction.atomic
def join(invitation: Invitation, password: str) -> User:
    """Set the password of a link's person. The link stops working, and all sessions under that name end.

    Raise NotAllowed if the link was used in the meantime.
    """
    # Two requests may bring the same link at once. The database lets one of them delete it.
    if not Invitation.objects.filter(pk=invitation.pk, digest=invitation.digest).delete()[0]:
        raise NotAllowed("This link was used already.")
    user = invitation.user
    choose_password(user, password)
    keys.end_all(user, by=user, because="The password was reset.")
    audit.record(user, user, Change.LINK_USED)
    sessions.end(BrowserSession.objects.all(), of=user, by=user)
    return user


@transaction.atomic
def choose_password(user: User, password: str) -> None:
    """Set a password that the person chose, and that therefore stays."""
    user.set_password(password)
    user.must_change_password = False
    user.save(update_fields=["password", "must_change_password"])
    audit.record(user, user, Change.CHANGED, old={"password": 1}, new={"password": 2})


@transaction.atomic
def change(user: User, *, by: User) -> None:
    """Store a person whose name, address or role was edited. Raise ValidationError or NotAllowed."""
    before = User.objects.get(pk=user.pk)
    within_reach(before, by)
    if before.role != user.role:
        _within_reach(user.role, by)
        if not user.role.opens_everything:
            _leaves_an_administrator(before)
    user.full_clean()
    user.save()
    old, new = _properties(before), _properties(user)
    if old != new:
        audit.record(by, user, Change.CHANGED, old=old, new=new)


@transaction.atomic
def deactivate(user: User, *, by: User) -> None:
    """Sign the person out everywhere, and reject the person and their API keys. Their work stays. Raise NotAllowed."""
    within_reach(user, by)
    _leaves_an_administrator(user)
    if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
        sessions.end(BrowserSession.objects.all(), of=user, by=by)
        keys.end_all(user, by=by, because="The person was deactivated.")
        audit.record(by, user, Change.DEACTIVATED)


@transaction.atomic
def revoke_key(key: ApiKey, *, by: User) -> None:
    """Revoke the API key of another person for good. Raise NotAllowed."""
    within_reach(key.user, by)
    keys.revoke(key, by=by, because=f"{by.shown_name} revoked it.")


@transaction.atomic
def activate(user: User, *, by: User) -> None:
    within_reach(user, by)
    if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
        audit.record(by, user, Change.ACTIVATED)


@transaction.atomic
def end_sessions(user: User, *, by: User) -> None:
    """Sign the person out everywhere. Raise NotAllowed."""
    within_reach(user, by)
    sessions.end(BrowserSession.objects.all(), of=user, by=by)


@transaction.atomic
def unlock(user: User, *, by: User) -> None:
    """Let the person sign in again at once after too many wrong passwords. Raise NotAllowed."""
    within_reach(user, by)
    if lockout.unlock(user):
        audit.record(by, user, Change.UNLOCKED)


@transaction.atomic
def save_role(role: Role, *, by: User) -> None:
    """Store a new or edited custom role. Raise ValidationError or NotAllowed."""
    before = Role.objects.filter(pk=role.pk).first()
    if before and before.built_in:
        raise NotAllowed(f"{before.name} is built in and stays as it is. Duplicate it, and change the copy.")
    for concerned in (before, role):
        if concerned:
            _within_reach(concerned, by)
    if before and before.opens_everything and not role.opens_everything:
        for user in before.people.filter(is_active=True):
            _leaves_an_administrator(user, besides=before)
    role.full_clean()
    role.save()
    old = _permissions(before) if before else {}
    audit.record(by, role, Change.CHANGED if before else Change.CREATED, old=old, new=_permissions(role))


@transaction.atomic
def delete_role(role: Role, *, by: User) -> None:
    """Delete a role. Raise NotAllowed if it is built in or a person still has it."""
    _within_reach(role, by)
    if role.built_in:
        raise NotAllowed(f"{role.name} is built in and stays.")
    if count := role.people.count():
        raise NotAllowed(
            f"{role.name} is the role of {count} {'person' if count == 1 else 'people'}. Give them another one first."
        )
    audit.record(by, role, Change.DELETED, old=_permissions(role))
    role.delete()


def within_reach(user: User, by: User) -> None:
    """Raise NotAllowed if the account may do more than the person who wants to change it. Every change of an account asks this."""
    if user.role.exceeds(by.role):
        raise NotAllowed(
            f"{user.shown_name} may do more than you: the role {user.role.name} opens more than your own role does. "
            "Ask an administrator to make this change."
        )


def _within_reach(role: Role, by: User) -> None:
    if role.exceeds(by.role):
        raise NotAllowed(
            f"{role.name} opens more than your own role does, so it is not yours to give or take. Ask an administrator."
        )


def _leaves_an_administrator(user: User, *, besides: Role | None = None) -> None:
    """Return whether another person with all rights remains."""
    # Two administrators may step down at once. The lock keeps the last one.
    others = User.objects.select_for_update(of=("self",)).filter(is_active=True).exclude(pk=user.pk).order_by("pk")
    if (
        user.role.opens_everything
        and user.is_active
        and not any(
            each.role.opens_everything and each.role != besides and each.has_usable_password() for each in others
        )
    ):
        raise NotAllowed(f"{user.shown_name} is the last active administrator. Make somebody else one first.")


def _properties(user: User) -> dict[str, str]:
    return audit.properties(user, *SHOWN) | {"role": user.role.name}


def _permissions(role: Role) -> dict[str, object]:
    levels = {str(area): str(level) for area, level in role.levels.items()}
    return {"name": role.name, "description": role.description, "permissions": levels}
