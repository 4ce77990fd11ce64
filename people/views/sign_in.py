"""The sign-in page, and the choice of a theme."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from people import lockout, sessions
from people.models import Preferences, User

A_YEAR = 365 * 24 * 3600


@method_decorator(login_not_required, name="dispatch")
class SignIn(LoginView):
    template_name = "people/sign_in.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        name = request.POST.get("username", "")
        if why := lockout.refusal(request, name):
            return lockout.answer_refusal(request, name, why)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        tried = form.cleaned_data
        if tried.get("username") and tried.get("password"):
            lockout.note_failure(self.request, tried["username"])
        return super().form_invalid(form)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        if isinstance(user := form.get_user(), User):
            sessions.begin(self.request, user)
        return response

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Lead the whole page to the sign-in when a refresh finds that the session has ended, instead of putting a form into a table."""
        if htmx := getattr(request, "htmx", None):
            there = htmx.current_url_abs_path or "/"
            return HttpResponseClientRedirect(f"{request.path}?{urlencode({'next': there})}")
        return super().dispatch(request, *args, **kwargs)


class SignOut(LogoutView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        sessions.note_sign_out(request)
        return super().post(request, *args, **kwargs)


@login_not_required
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Remember light, dark or the system's theme, in this browser for the sign-in page and with the person."""
    there = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        there, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    response = redirect(there if is_ours else resolve_url("incidents:feed"))
    chosen = request.POST.get("theme")
    if chosen in Preferences.Theme.values:
        if isinstance(request.user, User):
            request.user.theme = chosen
            request.user.save(update_fields=["theme"])
        response.set_cookie("theme", chosen, max_age=A_YEAR, samesite="Lax", secure=request.is_secure())
    return response
