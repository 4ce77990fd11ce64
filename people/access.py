"""Guards of views: the areas that a view needs. Django's LoginRequiredMiddleware requires the sign-in itself everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django_htmx.middleware import HtmxDetails

from people.models import Area, Level, Role, User


class SignedInRequest(HttpRequest):
    """A request of a person who is signed in."""

    user: User
    htmx: HtmxDetails


GuardedView = Callable[Concatenate[SignedInRequest, ...], HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Need:
    """Right that a view needs of the person. `people.permission_matrix` lists the needs of all views."""

    words: str
    is_met_by: Callable[[Role], bool]


def _guard(need: Need, refusal: str) -> Callable[[GuardedView], GuardedView]:
    def decorate(view: GuardedView) -> GuardedView:
        @wraps(view)
        def guarded(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not need.is_met_by(request.user.role):
                raise PermissionDenied(refusal)
            return view(request, *args, **kwargs)

        vars(guarded)["needs"] = (need, *getattr(view, "needs", ()))
        return guarded

    return decorate


def to_see(area: Area) -> Need:
    return Need(f"see: {area.label}", lambda role: role.opens(area, Level.READ))


def to_change(area: Area) -> Need:
    return Need(f"change: {area.label}", lambda role: role.opens(area, Level.FULL))


administrators_only = _guard(
    Need("every area", lambda role: role.opens_everything),
    "Only an administrator can do this. Ask one to change your role.",
)
responders_only = _guard(
    to_change(Area.INCIDENTS), "Your role lets you look, not act. Ask an administrator for the role Responder."
)


def may_see(area: Area) -> Callable[[GuardedView], GuardedView]:
    return _guard(
        to_see(area),
        f"Your role does not let you see this: {area.label}. Ask an administrator to change it.",
    )


def may_change(area: Area) -> Callable[[GuardedView], GuardedView]:
    return _guard(
        to_change(area),
        f"Your role does not let you change this: {area.label}. Ask an administrator to change it.",
    )
