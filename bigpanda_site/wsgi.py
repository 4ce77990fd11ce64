"""Django's pages and API as a WSGI callable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
_django = get_wsgi_application()

from django.conf import settings  # noqa: E402 - after the set-up above

SENDERS_PATHS = ("/data/", "/oim/")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """For senders, the name they know the console by and the type they send under make no difference (bigpanda.md §1.2).

    Django would refuse a host it was not told of, and fail on a charset that is none, before any view could answer.
    """
    if environ.get("PATH_INFO", "").startswith(SENDERS_PATHS):
        environ["CONTENT_TYPE"] = "application/json"
        environ["HTTP_HOST"] = settings.ALLOWED_HOSTS[0].lstrip("*.") or "localhost"
    answer: Iterable[bytes] = _django(environ, start_response)
    return answer
