"""Permission matrix: each route and method, what it needs, and which roles it lets in.

All of it is read from the URL map and from the views themselves: the guards of `people.access` and the permission classes
of resources. `./console manage print_permissions` prints the matrix, and tests/test_access.py holds it against the
replies of a console with restricted incidents.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any

from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, get_resolver

from people.access import Need
from people.models import Role

# The names by which code asks who may see an incident (incidents.models.access), and whom environments are kept for.
RULE = frozenset(("visible_to", "changeable_by", "seen_among", "may_be_seen_by", "all_visible_to", "closed_to"))
OWN = ("alerts", "appkeys", "bigpanda_site", "incidents", "people")  # packages that are followed for the rule
ANY = ("ANY",)  # of a view that does not say which methods it takes


@dataclass(frozen=True)
class Route:
    """A route of the URL map."""

    path: str
    name: str  # empty for most resources
    view: Any

    @cached_property
    def view_class(self) -> Any:
        return getattr(self.view, "view_class", None) or getattr(self.view, "cls", None)

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """The methods that the view takes, without HEAD and OPTIONS."""
        if self.view_class:
            offered = [each.upper() for each in self.view_class.http_method_names if hasattr(self.view_class, each)]
        else:
            offered = list(
                next(
                    (
                        _closure(each)["request_method_list"]
                        for each in _layers(self.view)
                        if "request_method_list" in _closure(each)
                    ),
                    ANY,
                )
            )
        return tuple(each for each in offered if each not in ("HEAD", "OPTIONS"))

    @property
    def is_resource(self) -> bool:
        """True if programs come here with a credential of their own, and not browsers with a session."""
        return hasattr(self.view_class, "permission_classes")

    @property
    def needs_sign_in(self) -> bool:
        """True if a browser without a session is led to the sign-in."""
        return not self.is_resource and bool(getattr(self.view, "login_required", True))

    def needs(self, method: str) -> tuple[Need, ...]:
        """Return what the route needs of the role of a person."""
        if self.is_resource:
            return tuple(each.need(method) for each in self.view_class.permission_classes if hasattr(each, "need"))
        found: tuple[Need, ...] = getattr(self.view, "needs", ())
        return found

    def gate(self, method: str) -> str:
        """Return who is let in, in words."""
        needs = " and ".join(dict.fromkeys(need.words for need in self.needs(method)))
        if not self.is_resource:
            return (
                f"sign-in{f', {needs}' if needs else ''}" if self.needs_sign_in else "nothing, or what is in the link"
            )
        request = HttpRequest()
        request.method = method
        for each in self.view_class.permission_classes:
            if needs:
                return f"personal API key with the scope {each.scope(method)}, {needs}"
            if hasattr(each, "needed"):  # as appkeys.authentication.HasOrgToken
                return f"org token with the scope {each.needed(request)}"
        return "nothing, or what is in the link"

    def lets_in(self, role: Role, method: str) -> bool | None:
        """Return whether people of a role are let in; None where a role does not count."""
        if not self.needs_sign_in and not self.needs(method):
            return None
        return all(need.is_met_by(role) for need in self.needs(method))

    @cached_property
    def asks_rule(self) -> bool:
        """True if the code behind the route asks who may see an incident."""
        return any(RULE.intersection(code.co_names) for code in _codes_behind(self.view))


def routes() -> list[Route]:
    """Return every route of the URL map, in its order."""

    def walk(patterns: list[Any], prefix: str, space: str) -> Iterator[Route]:
        for each in patterns:
            path = prefix + str(each.pattern)
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, path, f"{space}{each.namespace}:" if each.namespace else space)
            elif isinstance(each, URLPattern):
                yield Route(f"/{path}", f"{space}{each.name}" if each.name else "", each.callback)

    return list(walk(get_resolver().url_patterns, "", ""))


def _layers(view: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Yield a view with its decorators, from the outside in."""
    while True:
        yield view
        if not hasattr(view, "__wrapped__"):
            return
        view = view.__wrapped__


def _closure(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the variables that a decorator holds for the function that it returned."""
    cells = getattr(function, "__closure__", None) or ()
    return (
        dict(zip(function.__code__.co_freevars, (each.cell_contents for each in cells), strict=True)) if cells else {}
    )


# --- the code behind a view


def _codes_behind(view: Any) -> Iterator[CodeType]:
    """Yield the code of a view, and of all functions and classes of the console that the code names, at any depth."""
    waiting: list[Any] = [*_layers(view), getattr(view, "view_class", None) or getattr(view, "cls", None)]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen or not _is_own(each):
            continue
        seen.add(id(each))
        if inspect.isclass(each):
            waiting += [_function_of(member) for own in each.__mro__ if _is_own(own) for member in vars(own).values()]
        elif isinstance(each, FunctionType):
            for code in _nested(each.__code__):
                yield code
                waiting += _named(code, each.__globals__)


def _is_own(each: Any) -> bool:
    module = each.__name__ if isinstance(each, ModuleType) else getattr(each, "__module__", None) or ""
    return module.partition(".")[0] in OWN


def _function_of(member: Any) -> Any:
    if isinstance(member, property):
        return member.fget
    return getattr(member, "__func__", None) or getattr(member, "func", None) or member


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _nested(each)


def _named(code: CodeType, known: dict[str, Any]) -> Iterator[Any]:
    """Yield what a code names: what its module knows, and what is in the modules that it names."""
    for name in code.co_names:
        found = known.get(name)
        if isinstance(found, ModuleType) and _is_own(found):
            yield from (vars(found)[each] for each in code.co_names if each in vars(found))
        elif found is not None:
            yield found
