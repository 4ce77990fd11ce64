"""Authentication of scripts: the personal API key from `Authorization: Bearer BPU…`, for all routes under /resources.

The rules are those of docs/wire-contract.md §2.2.
"""

from __future__ import annotations

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from people import key_use
from people.addresses import client_address
from people.audit import ADDRESS_LIMIT
from people.models import ApiKey, User
from people.models.api_key import PREFIX
from people.secrets import digest


def require_https(request: Request) -> None:
    """Refuse a credential that came over plain http to a console that is served over https. Raise PermissionDenied.

    Scripts and senders do not follow a redirect, and a redirect would hide that the secret was readable on its way.
    """
    if settings.HTTPS and not request.is_secure():
        raise PermissionDenied(
            "This console takes keys and tokens over https only. Send to the address with https://, and replace this "
            "key or token: it crossed the network unencrypted. Behind a proxy, let it set 'X-Forwarded-Proto: https'."
        )


class ApiKeyAuthentication(BaseAuthentication):
    """Authentication by personal API key. `request.user` is the person of the key, and `request.auth` is the key."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        scheme, _, secret = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        require_https(request)
        key = ApiKey.objects.select_related("user__role").filter(digest=digest(secret.strip())).first()
        if key is None:
            raise AuthenticationFailed(_unknown(secret.strip()))
        if key.revoked_at:
            raise AuthenticationFailed(
                f"The API key ending in {key.suffix} was revoked. Make a new one on your own page."
            )
        if key.is_expired:
            raise AuthenticationFailed(
                f"The API key ending in {key.suffix} has expired. Make a new one on your own page."
            )
        if not key.user.is_active:
            raise AuthenticationFailed(f"The person of the API key ending in {key.suffix} is deactivated.")
        if key.user.must_change_password:
            raise AuthenticationFailed(
                f"The person of the API key ending in {key.suffix} has to choose a new password in a browser first."
            )
        key.user.speaks_by_api_key = True
        address = (client_address(request) or "")[:ADDRESS_LIMIT]
        key.note_use(address)
        if key_use.is_new(key.digest, address):
            key_use.record(key, address, by=key.user)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="resources"'


def _unknown(secret: str) -> str:
    if not secret.startswith(PREFIX):
        return f"This route takes a personal API key, which begins with {PREFIX}; what was sent is none. Make one on your own page."
    return "The API key is not known here. Check it for missing characters, or make one on your own page."
