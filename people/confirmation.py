"""The question "Is it you?" before a change that gives access. An open browser alone must not be enough to make a key or a role."""

from __future__ import annotations

import time
from functools import wraps
from typing import Any

from django.contrib.auth import authenticate
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from people import lockout
from people.access import GuardedView, SignedInRequest
from people.sessions import CONFIRMED

VALID_FOR = 600  # seconds after the last time that the person gave the password
FIELD = "your_password"  # axes leaves this field out of what it stores
NOT_REPEATED = (FIELD, "csrfmiddlewaretoken")


def confirmed(view: GuardedView) -> GuardedView:
    """Ask for the password before a POST, unless the person gave it within the last ten minutes.

    The question repeats the form in hidden fields and goes to the same address, so nothing that was typed is lost. Put
    the decorator closest to the view, below the guards of areas and methods.
    """

    @wraps(view)
    def guarded(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST" or _is_recent(request):
            return view(request, *args, **kwargs)
        password = request.POST.get(FIELD)
        if password is None:
            return _ask(request)
        if why := lockout.refusal(request, request.user.username):
            return lockout.answer_refusal(request, request.user.username, why)
        if not authenticate(request, username=request.user.username, password=password):
            lockout.note_failure(request, request.user.username)
            return _ask(request, is_wrong=True)
        request.session[CONFIRMED] = int(time.time())
        form = request.POST.copy()
        del form[FIELD]
        request.POST = form  # type: ignore[assignment] # a QueryDict, too
        return view(request, *args, **kwargs)

    return guarded


def _is_recent(request: SignedInRequest) -> bool:
    return 0 <= time.time() - int(request.session.get(CONFIRMED, 0)) < VALID_FOR


def _ask(request: SignedInRequest, *, is_wrong: bool = False) -> HttpResponse:
    """Render the question as a page, or in the dialog if htmx sent the form."""
    back = request.headers.get("Referer", "")
    context = {
        "partial": "people/_confirm.html",
        "is_wrong": is_wrong,
        "field": FIELD,
        "fields": [
            (name, value) for name, values in request.POST.lists() for value in values if name not in NOT_REPEATED
        ],
        "back": back if url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}) else "/",
    }
    if not request.htmx:
        return render(request, "components/confirm.html", context)
    response = render(request, "components/_confirm.html", context)
    response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#dialog", "innerHTML"
    return response
