"""Settings, URLs, and the entry points of the web process and of Celery."""

from bigpanda_site.celery import app as celery_app

__all__ = ["celery_app"]
__version__ = "0.1.0"
