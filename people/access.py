"""Guards of views: the areas that a view needs. Django's LoginRequiredMiddleware requires the sign-in itself everywhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django_htmx.middleware import HtmxDetails

from people.models import Area, User


class SignedInRequest(HttpRequest):
    """A request of a person who is signed in."""

    user: User
    htmx: HtmxDetails


GuardedView = Callable[Concatenate[SignedInRequest, ...], HttpResponseBase]


def _guard(allows: Callable[[User], bool], refusal: str) -> Callable[[GuardedView], GuardedView]:
    def decorate(view: GuardedView) -> GuardedView:
        @wraps(view)
        def guarded(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not allows(request.user):
                raise PermissionDenied(refusal)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


administrators_only = _guard(
    lambda user: user.is_administrator, "Only an administrator can do this. Ask one to change your role."
)
responders_only = _guard(
    lambda user: user.may_act, "Your role lets you look, not act. Ask an administrator for the role Responder."
)


def may_see(area: Area) -> Callable[[GuardedView], GuardedView]:
    return _guard(
        lambda user: user.may_see(area),
        f"Your role does not let you see this: {area.label}. Ask an administrator to change it.",
    )


def may_change(area: Area) -> Callable[[GuardedView], GuardedView]:
    return _guard(
        lambda user: user.may_change(area),
        f"Your role does not let you change this: {area.label}. Ask an administrator to change it.",
    )
