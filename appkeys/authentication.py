"""Who sends: the org token from `Authorization: Bearer` or `?access_token=` (bigpanda.md §1.2), and the App Key it speaks for."""

from __future__ import annotations

import hmac
from typing import TypeVar

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from appkeys.models import AppKey, Credential, OrgToken
from people.secrets import digest

C = TypeVar("C", bound=Credential)
APP_KEY_HEADERS = ("x-bp-app-key", "x-app-key", "app-key")


def _find(model: type[C], secret: str) -> C | None:
    wanted = digest(secret)
    found = model._default_manager.filter(digest=wanted).first()
    return found if found and hmac.compare_digest(found.digest, wanted) else None


class OrgTokenAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[None, OrgToken] | None:
        secret = self._sent_token(request)
        if secret is None:
            return None
        token = _find(OrgToken, secret)
        if token is None:
            raise AuthenticationFailed(
                "The org token is not known here. Check it for missing characters, or create one under Integrations."
            )
        if not token.is_active:
            raise AuthenticationFailed(f"The org token ending in {token.suffix} was revoked.")
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
    message = "An org token is required: send it as 'Authorization: Bearer TOKEN' or as '?access_token=TOKEN'."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, OrgToken)


def sent_app_key(request: Request) -> object:
    """The App Key that query or headers name for the whole request, if any."""
    named = request.query_params.get("app_key")
    return named or next((value for name in APP_KEY_HEADERS if (value := request.headers.get(name))), None)


def find_app_key(secret: str) -> AppKey | None:
    return _find(AppKey, secret)
