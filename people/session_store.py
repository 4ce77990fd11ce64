"""Sessions in the database, under the digest of their key. Who reads the table or a backup cannot sign in with it.

A session ends when nobody used it for CONSOLE_SESSION_IDLE_HOURS, and CONSOLE_SESSION_DAYS after the sign-in.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from people import secrets

STORED_LENGTH = 40  # characters of the column; 160 bits, as many as a key has
BEGAN = "began_at"  # seconds since 1970


class SessionStore(db.SessionStore):
    """Django's store, except for the column of the key and the end of a session."""

    @property
    def stored_key(self) -> str:
        """Return the session's key in the database."""
        return stored(self.session_key or "")

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Return the seconds until the longest time is over. The cookie lives that long."""
        return max(0, int(self.get(BEGAN, time.time()) + settings.SESSION_COOKIE_AGE - time.time()))

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """Return the end of the session in the database, unless it is used before."""
        idle = settings.SESSION_IDLE_TIME.total_seconds()
        return datetime.fromtimestamp(time.time() + min(idle, self.get_expiry_age()), UTC)

    def stay_alive(self) -> None:
        """Record that the session is in use, without storing what is in it."""
        Session.objects.filter(session_key=self.stored_key, expire_date__gt=timezone.now()).update(
            expire_date=self.get_expiry_date()
        )

    # --- what Django's store does with the key itself

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        found = self.model.objects.filter(session_key=self.stored_key, expire_date__gt=timezone.now()).first()
        if found is None:
            self._session_key = None
        return found

    def exists(self, session_key: str) -> bool:
        return self.model.objects.filter(session_key=stored(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        session = super().create_model_instance(data)
        session.session_key = stored(session.session_key)
        return session

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            self.model.objects.filter(session_key=stored(key)).delete()


def stored(session_key: str) -> str:
    """Return the form in which a session's key is stored. It is random, so it needs no salt."""
    return secrets.digest(session_key)[:STORED_LENGTH]
