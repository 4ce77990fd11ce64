"""Django's backend for PostgreSQL, which takes connections from the pool within the deadline of the request."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db.backends.postgresql import base

from db import deadline


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: Any) -> Any:
        pool: Any = self.pool
        left = deadline.left()
        if not pool or left is None:
            return super().get_new_connection(conn_params)
        self.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        pool.open()
        return pool.getconn(timeout=left)
