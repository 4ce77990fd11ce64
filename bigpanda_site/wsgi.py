"""Django's pages and API as a WSGI callable."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
_django = get_wsgi_application()

from django.conf import settings  # noqa: E402 - after the set-up above

from alerts.api.alerts import is_for_senders  # noqa: E402

CHARSET = re.compile(r";\s*charset=[^;]*", re.IGNORECASE)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Everything here is UTF-8; for senders, the name they know the console by makes no difference either.

    Django would fail on a charset that is none, and refuse a host it was not told of, before any view could answer.
    """
    environ["CONTENT_TYPE"] = CHARSET.sub("", environ.get("CONTENT_TYPE", ""))
    if is_for_senders(environ.get("PATH_INFO", "")):
        environ["HTTP_HOST"] = settings.ALLOWED_HOSTS[0].lstrip("*.") or "localhost"
    answer: Iterable[bytes] = _django(environ, start_response)
    return answer
