"""Reports of browsers about what the Content Security Policy kept from loading. Anybody can send some, so the log shows few of them."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

logger = logging.getLogger(__name__)
LARGEST = 16 * 1024  # bytes of a body
LINES_PER_MINUTE = 10  # of each process
SHOWN = ("effective-directive", "blocked-uri", "document-uri", "source-file", "line-number")
LONGEST = 200  # characters of a value


class _Lines:
    """Number of lines in the present minute."""

    minute = number = 0


@csrf_exempt
@login_not_required
@require_POST
def view(request: HttpRequest) -> HttpResponse:
    if int(request.META.get("CONTENT_LENGTH") or 0) <= LARGEST:
        for report in _reports(request.body):
            if not _may_be_logged():
                break
            shown = {name: str(report[name]).partition("?")[0][:LONGEST] for name in SHOWN if report.get(name)}
            logger.warning("A browser kept from loading what the Content Security Policy does not allow: %r", shown)
    return HttpResponse(status=204)


def _reports(body: bytes) -> list[dict[str, Any]]:
    """Return the reports of a body of either kind, by the older names of their properties."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return []
    if isinstance(sent, dict):
        found = [sent.get("csp-report")]
    else:
        found = (
            [_renamed(each.get("body")) for each in sent if isinstance(each, dict)] if isinstance(sent, list) else []
        )
    return [each for each in found if isinstance(each, dict)]


def _renamed(body: Any) -> dict[str, Any] | None:
    if not isinstance(body, dict):
        return None
    names = ("effectiveDirective", "blockedURL", "documentURL", "sourceFile", "lineNumber")
    return {older: body.get(newer) for older, newer in zip(SHOWN, names, strict=True)}


def _may_be_logged() -> bool:
    minute = int(time.time() // 60)
    if minute != _Lines.minute:
        _Lines.minute, _Lines.number = minute, 0
    _Lines.number += 1
    return _Lines.number <= LINES_PER_MINUTE
