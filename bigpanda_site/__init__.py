"""The building: settings, URLs, the Celery and web entry points, and the supervisor."""

from bigpanda_site.celery import app as celery_app

__all__ = ["celery_app"]
__version__ = "0.1.0"
