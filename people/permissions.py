"""Permissions of personal API keys: a key may do, within its scopes, what the role of its person allows."""

from __future__ import annotations

from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from people.access import Need, to_change, to_see
from people.models import ApiKey, Area, Scope, User

REQUIRED = "A personal API key is required: send it as 'Authorization: Bearer BPU…'."
WORK = (Area.INCIDENTS, Area.MAINTENANCE)  # what people change while they respond; everything else is configuration


def permits(area: Area, *, is_configuration: bool | None = None) -> type[BasePermission]:
    """Return a permission class: reading needs to see the area, and every other method needs to change it.

    The key needs a scope, too: *read* for reading, *administer* to change configuration, *act* to change anything else.
    """
    to_write = Scope.ADMINISTER if (area not in WORK if is_configuration is None else is_configuration) else Scope.ACT

    class Permits(BasePermission):
        message = ""

        @classmethod
        def need(cls, method: str) -> Need:
            return to_see(area) if method in SAFE_METHODS else to_change(area)

        @classmethod
        def scope(cls, method: str) -> Scope:
            return Scope.READ if method in SAFE_METHODS else to_write

        def has_permission(self, request: Request, view: APIView) -> bool:
            if not isinstance(request.user, User) or not isinstance(request.auth, ApiKey):
                raise NotAuthenticated(REQUIRED)
            reads = request.method in SAFE_METHODS
            scope = self.scope(str(request.method))
            if not request.auth.may(scope):
                self.message = (
                    f"The API key ending in {request.auth.suffix} lacks the scope {scope.value!r}, which this request needs. "
                    f"Make a key with it on your own page."
                )
                return False
            self.message = f"Your role does not let you {'see' if reads else 'change'} this: {area.label}. Ask an administrator to change it."
            return self.need(str(request.method)).is_met_by(request.user.role)

    return Permits
