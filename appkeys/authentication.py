"""Authentication of senders: the org token from `Authorization: Bearer` or `?access_token=`, and the App Key that a request names.

The rules are those of docs/wire-contract.md §2.2.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from appkeys import usage
from appkeys.models import AppKey, OrgToken
from people.addresses import client_address
from people.authentication import require_https
from people.secrets import digest

Scope = OrgToken.Scope
APP_KEY_HEADERS = ("x-bp-app-key", "x-app-key", "app-key")
REQUIRED = "An org token is required: send it as 'Authorization: Bearer TOKEN' or as '?access_token=TOKEN'."


class OrgTokenAuthentication(BaseAuthentication):
    """Authentication by org token. `request.auth` is the org token; there is no user."""

    def authenticate(self, request: Request) -> tuple[None, OrgToken] | None:
        secret = self._sent_token(request)
        if secret is None:
            return None
        require_https(request)
        wanted = digest(secret)
        token = OrgToken.objects.filter(digest=wanted).first()
        if token is None or not hmac.compare_digest(token.digest, wanted):
            raise AuthenticationFailed(
                "The org token is not known here. Check it for missing characters, or create one under Integrations."
            )
        if not token.is_active:
            raise AuthenticationFailed(f"The org token ending in {token.suffix} was revoked.")
        if token.is_expired:
            raise AuthenticationFailed(
                f"The org token ending in {token.suffix} expired on {token.expires_at:%Y-%m-%d}. Create another one under Integrations."
            )
        usage.record((wanted,), client_address(request) or "")
        return None, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="alerts"'

    @staticmethod
    def _sent_token(request: Request) -> str | None:
        scheme, _, secret = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() == "bearer":
            return secret.strip()
        return request.query_params.get("access_token")


class HasOrgToken(BasePermission):
    """Permission of org tokens: the token needs the scope of the request."""

    message = REQUIRED

    @staticmethod
    def needed(request: Request) -> Scope:
        """Return the scope that a request needs. Senders send alerts where their route says nothing else."""
        return Scope.ALERTS

    def has_permission(self, request: Request, view: APIView) -> bool:
        token = request.auth
        if not isinstance(token, OrgToken):
            raise NotAuthenticated(REQUIRED)
        if not token.may(scope := self.needed(request)):
            raise PermissionDenied(
                f"The org token ending in {token.suffix} lacks the scope {scope.value!r}, which this request needs. "
                "Create a token with it under Integrations."
            )
        return True


def has_scope(scope: Scope) -> type[HasOrgToken]:
    """Return the permission of routes that need one scope."""

    class HasScope(HasOrgToken):
        @staticmethod
        def needed(request: Request) -> Scope:
            return scope

    return HasScope


class MayUseResources(HasOrgToken):
    """Permission for the older resources under /resources/v1.0 (docs/wire-contract.md §8.3): to read them, or to act."""

    @staticmethod
    def needed(request: Request) -> Scope:
        return Scope.READ if request.method in SAFE_METHODS else Scope.ACT


def sent_app_key(request: Request) -> object:
    """Return the App Key that the query string or the headers name for the whole request, or an empty text."""
    named = request.query_params.get("app_key")
    return named or next((value for name in APP_KEY_HEADERS if (value := request.headers.get(name))), None)


def find_app_key(secret: str) -> AppKey | None:
    """Return the App Key with this secret, or with this secret as the old one of a rotation that still works."""
    wanted = digest(secret)
    app_key = AppKey.objects.answering_to(wanted).first()
    if app_key and app_key.is_active:
        usage.record((wanted,))
    return app_key


def app_keys_of(request: Request) -> Callable[[str], AppKey | None]:
    """Return a function that finds App Keys for the sender of a request.

    The function raises PermissionDenied for an App Key that the org token may not send for.
    """
    token = request.auth

    def find(secret: str) -> AppKey | None:
        app_key = find_app_key(secret)
        if app_key and isinstance(token, OrgToken) and not token.speaks_for(app_key):
            raise PermissionDenied(
                f"The org token ending in {token.suffix} may not speak for the integration {app_key.name!r}. "
                "Use one that may, or let it under Integrations."
            )
        return app_key

    return find
