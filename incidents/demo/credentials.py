"""The demo's App Keys and org token.

Secrets are stored as digests, so those of an earlier demo are lost. Its credentials get new secrets under their old
names: nobody else ever knew the old ones, the list of integrations stays as it is, and a second day goes on with the
same alerts, as a second day does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from django.db import transaction

from appkeys.models import AppKey, Credential, OrgToken
from incidents.demo.play import PlayStopped

C = TypeVar("C", bound=Credential)
PREFIX = "Demo: "


@dataclass(slots=True)
class Credentials:
    org_token: str = ""
    app_keys: dict[str, str] = field(default_factory=dict)  # by name of the source
    issued: list[Credential] = field(default_factory=list)
    renewed: list[Credential] = field(default_factory=list)

    def withdraw(self) -> None:
        """Delete what was issued and never used: a demo that could not begin leaves nothing behind."""
        for credential in self.issued:
            credential.delete()


@transaction.atomic
def obtain(sources: Iterable[str]) -> Credentials:
    """Secrets for the demo's sources. Raises PlayStopped where an administrator deactivated one of its credentials."""
    credentials = Credentials()
    credentials.org_token = _secret(OrgToken, f"{PREFIX}senders", credentials)
    credentials.app_keys = {source: _secret(AppKey, PREFIX + source, credentials) for source in sources}
    return credentials


def _secret(model: type[C], name: str, credentials: Credentials) -> str:
    known = model._default_manager.select_for_update().filter(name__iexact=name).first()
    if known is None:
        credential, secret = model.issue(name=name)
        credentials.issued.append(credential)
        return secret
    if not known.is_active:
        kind = model._meta.verbose_name
        raise PlayStopped(f"The {kind} {known.name!r} was deactivated. Activate it to play the demo.")
    credentials.renewed.append(known)
    return known.renew()
