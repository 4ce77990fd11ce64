"""App Keys and the org token of the demo.

The database has only digests of secrets, so a second demo cannot read the secrets of the first. The credentials of an
earlier demo get new secrets under their old names. The list of integrations stays the same, and the second day
continues the same alerts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import transaction

from appkeys.models import AppKey, Credential, OrgToken
from incidents.demo.play import PlayStopped

C = TypeVar("C", bound=Credential)
PREFIX = "Demo: "


@dataclass(slots=True)
class Credentials:
    """The secrets of one demo, with the credentials that were issued or renewed for the demo."""

    org_token: str = ""
    app_keys: dict[str, str] = field(default_factory=dict)  # secrets by the name of the source
    issued: list[Credential] = field(default_factory=list)
    renewed: list[Credential] = field(default_factory=list)

    def withdraw(self) -> None:
        """Delete credentials that were issued and never used, after a demo that could not begin."""
        for credential in self.issued:
            credential.delete()


@transaction.atomic
def obtain(sources: Iterable[str]) -> Credentials:
    """Return secrets for the sources of the demo.

    Raise PlayStopped for a credential that an administrator deactivated.
    """
    credentials = Credentials()
    credentials.app_keys = {source: _secret(AppKey, PREFIX + source, credentials) for source in sources}
    app_keys = list(AppKey.objects.present().filter(name__startswith=PREFIX))
    credentials.org_token = _secret(OrgToken, f"{PREFIX}senders", credentials, app_keys=app_keys)
    # A token of an earlier demo sends for the sources that were added since, too.
    OrgToken.objects.get(name__iexact=f"{PREFIX}senders").app_keys.add(*app_keys)
    return credentials


def _secret(model: type[C], name: str, credentials: Credentials, **properties: Any) -> str:
    known = model._default_manager.select_for_update().filter(name__iexact=name).first()
    if known is None:
        credential, secret = model.issue(name=name, **properties)
        credentials.issued.append(credential)
        return secret
    if not known.is_active:
        kind = model._meta.verbose_name
        raise PlayStopped(f"The {kind} {known.name!r} was deactivated. Activate it to play the demo.")
    credentials.renewed.append(known)
    return known.renew()
