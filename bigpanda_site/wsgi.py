"""Django's pages and API as a WSGI callable."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
_django = get_wsgi_application()

from django.conf import settings  # noqa: E402 - Django is set up above

from alerts.api.alerts import is_for_senders  # noqa: E402
from bigpanda_site import reporting  # noqa: E402
from bigpanda_site.probes import PROBES  # noqa: E402

reporting.start("web")
CHARSET = re.compile(r";\s*charset=[^;]*", re.IGNORECASE)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request, whatever charset it names, and for senders and probes whatever host it names.

    Every text is UTF-8. Django would fail on an unknown charset, and it would reject an unknown host, before a view
    could answer.
    """
    environ["CONTENT_TYPE"] = CHARSET.sub("", environ.get("CONTENT_TYPE", ""))
    if is_for_senders(path := environ.get("PATH_INFO", "")) or path in PROBES:
        environ["HTTP_HOST"] = settings.ALLOWED_HOSTS[0].lstrip("*.") or "localhost"
    answer: Iterable[bytes] = _django(environ, start_response)
    return answer
