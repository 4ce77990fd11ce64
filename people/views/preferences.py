"""The page of a person's preferences."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from people.access import SignedInRequest
from people.forms import PreferencesForm
from people.views.me import page


@require_POST
def preferences(request: SignedInRequest) -> HttpResponse:
    form = PreferencesForm(request.POST, instance=request.user)
    if not form.is_valid():
        return page(request, preferences_form=form)
    form.save()
    messages.success(request, "Kept. It is so wherever you sign in.")
    return redirect("me:page")
