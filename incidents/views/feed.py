"""The feed: its page, and its state for pages that ask from time to time."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import conditional_page, require_safe

from incidents import watched
from incidents.feed_page import feed_context
from incidents.filters import IncidentFilter
from people.access import SignedInRequest


@require_safe
def feed(request: SignedInRequest) -> HttpResponse:
    return render(request, "incidents/feed.html", feed_context(IncidentFilter(request.GET, request.user)))


@require_safe
@conditional_page
def state(request: SignedInRequest) -> HttpResponse:
    """The view of the query string, as the live stream would tell it; 304 where nothing has changed since it was last asked for."""
    return HttpResponse(watched.snapshot(request.GET.urlencode(), request.user), content_type="application/json")
