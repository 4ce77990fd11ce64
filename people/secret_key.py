"""The check that all consoles on one database have the same secret key.

With different keys, each console would end the sessions of the others, and behind a load balancer nobody could stay
signed in.
"""

from __future__ import annotations

import logging

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection
from django.utils.crypto import salted_hmac

from db import deadline, outage
from people.models import SecretKey

logger = logging.getLogger(__name__)
CHECK_SECONDS = 5.0
_ONLY = 1  # primary key of the row
DIFFERENT = (
    "This console has another secret key than the consoles that use this database already. With two keys nobody stays "
    "signed in. Give every console the same key: copy the file secret_key from the data folder of the first one into the "
    "data folder of this one, or set CONSOLE_SECRET_KEY to its content. If the key was changed on purpose, run "
    "./console manage accept_secret_key. It ends every session."
)


def fingerprint() -> str:
    """Return a keyed hash, from which nobody can find the key."""
    return salted_hmac("people.secret_key", "fingerprint", algorithm="sha256").hexdigest()


def check() -> None:
    """Store the fingerprint if this is the first console on the database. Raise ImproperlyConfigured for another key."""
    with deadline.within(CHECK_SECONDS):
        try:
            if SecretKey._meta.db_table not in connection.introspection.table_names():
                return  # not migrated yet
            known = SecretKey.objects.filter(pk=_ONLY).first()
            if known is None:
                outage.try_to_note("the fingerprint of the secret key", _store_first)
                known = SecretKey.objects.filter(pk=_ONLY).first()
        except Error as error:
            if not outage.note(error):
                raise
            logger.warning("The secret key is not compared with that of other consoles: %s", error)
            return
    if known and known.fingerprint != fingerprint():
        raise ImproperlyConfigured(DIFFERENT)


def _store_first() -> None:
    # Two consoles may start at once. The primary key lets one of them be the first.
    SecretKey.objects.get_or_create(pk=_ONLY, defaults={"fingerprint": fingerprint()})


def accept() -> bool:
    """Make the key of this console the right one. Return False if it was that before."""
    changed = not SecretKey.objects.filter(pk=_ONLY, fingerprint=fingerprint()).exists()
    SecretKey.objects.update_or_create(pk=_ONLY, defaults={"fingerprint": fingerprint()})
    return changed
