"""Permissions of personal API keys: a key may do what the role of its person allows."""

from __future__ import annotations

from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from people.models import Area, User

REQUIRED = "A personal API key is required: send it as 'Authorization: Bearer BPU…'."


def permits(area: Area) -> type[BasePermission]:
    """Return a permission class: reading needs to see the area, and every other method needs to change it."""

    class Permits(BasePermission):
        message = ""

        def has_permission(self, request: Request, view: APIView) -> bool:
            if not isinstance(request.user, User):
                raise NotAuthenticated(REQUIRED)
            reads = request.method in SAFE_METHODS
            self.message = f"Your role does not let you {'see' if reads else 'change'} this: {area.label}. Ask an administrator to change it."
            return request.user.may_see(area) if reads else request.user.may_change(area)

    return Permits
