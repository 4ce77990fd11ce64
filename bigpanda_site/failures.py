"""Replies to requests that failed: 503 where the database is out of order, and 500 for an error of the console itself."""

from __future__ import annotations

import sys
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader

from alerts.api.alerts import error_body, is_for_senders, sentence_about
from bpql import SearchStopped
from db import outage
from db.outage import Outage

RETRY_AFTER = "5"  # seconds
WHAT_NOW = {
    Outage.AWAY: "Nothing was changed, as far as this page knows. It is worth another try in a moment.",
    Outage.BUSY: "Nothing was changed. Try again.",
    Outage.READ_ONLY: "Nothing was changed. Incidents can be read meanwhile. Try again in a moment.",
}
BROKEN = "Something broke here"
BROKEN_NOW = (
    "This page could not be made. Alerts are taken in all the same. Reload in a moment; if it stays, tell your "
    "administrator the time: the log has the reason."
)
NOBODY_SIGNS_IN = "Nobody can sign in until it does. Those who are signed in can read the incidents meanwhile."


def answer(request: HttpRequest) -> HttpResponse:
    """Answer a request whose view or middleware raised an error. This function is Django's `handler500`."""
    error = sys.exc_info()[1]
    if isinstance(error, SearchStopped):
        return _stopped_search(request, error)
    found = outage.note(error) if error else None
    status = HTTPStatus.SERVICE_UNAVAILABLE if found else HTTPStatus.INTERNAL_SERVER_ERROR
    if is_for_senders(request.path):
        said = sentence_about(found) if found else "The console failed. Its log has the reason. Send the request again."
        response: HttpResponse = JsonResponse(error_body(status, [said]), status=status)
    elif found:
        response = _page(request, found)
    else:
        return HttpResponse(render(BROKEN, BROKEN_NOW), status=status)
    if found:
        response["Retry-After"] = RETRY_AFTER
    return response


def _stopped_search(request: HttpRequest, error: SearchStopped) -> HttpResponse:
    """Answer a search that took too long on a page that has no place for the message."""
    if request.headers.get("HX-Request"):
        return HttpResponse(error.message, content_type="text/plain; charset=utf-8", status=HTTPStatus.BAD_REQUEST)
    return HttpResponse(render("The search was stopped", error.message), status=HTTPStatus.BAD_REQUEST)


def _page(request: HttpRequest, found: Outage) -> HttpResponse:
    what_now = NOBODY_SIGNS_IN if found is Outage.READ_ONLY and request.path == "/login" else WHAT_NOW[found]
    if request.headers.get("HX-Request"):  # the page shows the text where the person tried
        return HttpResponse(f"{found.value} {what_now}", content_type="text/plain; charset=utf-8", status=503)
    return HttpResponse(render(found.value, what_now), status=503)


def render(title: str, what_now: str) -> str:
    """Return the page of a failed request."""
    return loader.render_to_string("failure.html", {"title": title, "what_now": what_now})
