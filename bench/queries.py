"""Count the statements of each page on a full console (bench.fill). A page costs as many for one row as for many.

python -m bench.queries
"""

from __future__ import annotations

import os
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
django.setup()

from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext, setup_test_environment  # noqa: E402

from incidents.models import Incident  # noqa: E402
from people.models import BuiltIn, Role, User  # noqa: E402


def main() -> None:
    setup_test_environment()
    browser = Client()
    browser.force_login(
        User.objects.create_user(f"bench-q-{time.time():.0f}", role=Role.objects.built_in(BuiltIn.ADMIN))
    )
    by_size = Incident.objects.open().order_by("alerts_count", "pk")
    small, large = by_size.first(), by_size.last()
    assert small
    assert large
    pairs = {
        "feed": (f"/?q=%22{small.title}%22", "/"),
        "resolved": ("/?folder=resolved&q=node-1.", "/?folder=resolved"),
    }
    for tab in ("", "/alerts", "/timeline", "/activity", "/why"):
        pairs[tab[1:] or "overview"] = (f"/incidents/{small.pk}{tab}", f"/incidents/{large.pk}{tab}")
    print("statements per page, of little and of much:")
    for name, paths in pairs.items():
        print(f"    {name:10}" + "".join(f"{_statements(browser, path):6}" for path in paths))


def _statements(browser: Client, path: str) -> int:
    browser.get(path)  # what is asked once in a while was asked
    with CaptureQueriesContext(connection) as asked:
        assert browser.get(path).status_code == 200, path
    return len(asked)


if __name__ == "__main__":
    main()
