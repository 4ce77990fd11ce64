"""Django's connection to the database, as each kind of process and thread uses it."""

from __future__ import annotations

from django.db import connections


def keep_own() -> None:
    """Give this thread a connection of its own, which it keeps. The connection is not of the pool that pages share.

    So the thread needs no other thread to give a connection back. After a loss, the next use reconnects.
    """
    shared = connections["default"]
    options = {name: value for name, value in shared.settings_dict["OPTIONS"].items() if name != "pool"}
    settings = {**shared.settings_dict, "OPTIONS": options, "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False}
    connections["default"] = type(shared)(settings, "default")
