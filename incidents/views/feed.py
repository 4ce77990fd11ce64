"""The feed: its page, and its state for pages that ask from time to time."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import conditional_page, require_safe

from incidents.feed import live_view
from incidents.feed.filters import IncidentFilter
from incidents.feed.page import ROWS, feed_context
from people.access import SignedInRequest


@require_safe
def feed(request: SignedInRequest) -> HttpResponse:
    return render(request, "feed/feed.html", feed_context(IncidentFilter(request.GET, request.user)))


@require_safe
@conditional_page
def state(request: SignedInRequest) -> HttpResponse:
    """The view of the query string, as the live stream would tell it; 304 where nothing has changed since it was last asked for.

    `shown` names the incidents of the page's rows: it is told why those left that the view no longer has.
    """
    query = request.GET.copy()
    shown = [int(pk) for pk in "".join(query.pop("shown", [])).split(",") if pk.isdecimal() and len(pk) < 19]
    told = live_view.snapshot(query.urlencode(), request.user, shown=shown[:ROWS])
    return HttpResponse(told, content_type="application/json")
