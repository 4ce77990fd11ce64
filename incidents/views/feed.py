"""Pages of the feed: the page itself, and its state for pages that poll."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import conditional_page, require_safe

from incidents.feed import live_view
from incidents.feed.filters import IncidentFilter
from incidents.feed.page import ROWS, feed_context
from incidents.templatetags.correlation_tags import behind_context
from people.access import SignedInRequest


@require_safe
def feed(request: SignedInRequest) -> HttpResponse:
    return render(request, "feed/feed.html", feed_context(IncidentFilter(request.GET, request.user)))


@require_safe
@conditional_page
def state(request: SignedInRequest) -> HttpResponse:
    """Return the state of the live view that the query string names, or 304 where nothing has changed.

    `shown` has the incidents on the page. The state says why some of them left the view.
    """
    query = request.GET.copy()
    shown = [int(pk) for pk in "".join(query.pop("shown", [])).split(",") if pk.isdecimal() and len(pk) < 19]
    told = live_view.snapshot(query.urlencode(), request.user, shown=shown[:ROWS])
    return HttpResponse(told, content_type="application/json")


@never_cache
@require_safe
def behind(request: SignedInRequest) -> HttpResponse:
    """Return the bar that says that correlation is behind, or nothing."""
    return render(request, "components/_behind.html", behind_context())
