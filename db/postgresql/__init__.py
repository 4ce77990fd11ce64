"""Django's backend for PostgreSQL, with limits of waiting (`base.py`)."""
