"""Django's backend for PostgreSQL, which takes connections from the pool within the deadline of the request.

Each new connection gets the limits of its process (`limits.py`).
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.db.backends.postgresql import base

from db import deadline
from db.postgresql import limits
from db.postgresql.connection import Connection


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: Any) -> Any:
        pool: Any = self.pool
        left = deadline.left()
        if pool and left is None:
            return super().get_new_connection(conn_params)
        self.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        if not pool:
            return Connection.connect(**conn_params)
        pool.open()
        return pool.getconn(timeout=left)

    def _configure_connection(self, connection: Any) -> bool:
        is_changed = super()._configure_connection(connection)  # type: ignore[misc] # the stubs lack it
        limits.apply(connection)
        return bool(is_changed) or limits.are_set()
