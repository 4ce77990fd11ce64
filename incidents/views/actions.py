"""What a person does with an incident."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import retarget

from incidents import lifecycle
from incidents.forms import CommentForm, ResolveForm
from incidents.models import Incident
from incidents.views.incident import answer, incident_context
from people.access import SignedInRequest, responders_only


@responders_only
@require_http_methods(["GET", "HEAD", "POST"])
def resolve(request: SignedInRequest, pk: int) -> HttpResponse:
    """Ask for a comment and say what will happen; then do it."""
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    form = ResolveForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            lifecycle.resolve(incident, by=request.user, comment=form.cleaned_data["comment"])
        except lifecycle.InvalidTransition as refusal:
            messages.error(request, str(refusal))
        return _back(request, incident)
    context = {"incident": incident, "form": form, "next": _there(request, incident)}
    if request.htmx:
        return retarget(render(request, "incidents/_resolve_form.html", context), "#dialog")
    return render(request, "incidents/resolve.html", context)


@responders_only
@require_POST
def undo(request: SignedInRequest, pk: int) -> HttpResponse:
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    activity = get_object_or_404(incident.activities, pk=request.POST.get("activity") or 0)
    try:
        lifecycle.undo(activity, by=request.user)
        messages.success(request, "The resolve was undone.")
    except lifecycle.InvalidTransition as refusal:
        messages.error(request, str(refusal))
    return _back(request, incident)


@responders_only
@require_POST
def assign(request: SignedInRequest, pk: int) -> HttpResponse:
    """Take the incident oneself."""
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    try:
        lifecycle.assign(incident, to=request.user, by=request.user)
    except lifecycle.InvalidTransition as refusal:
        messages.error(request, str(refusal))
    return _back(request, incident)


@responders_only
@require_POST
def release(request: SignedInRequest, pk: int) -> HttpResponse:
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    try:
        lifecycle.unassign(incident, by=request.user)
    except lifecycle.InvalidTransition as refusal:
        messages.error(request, str(refusal))
    return _back(request, incident)


@responders_only
@require_POST
def comment(request: SignedInRequest, pk: int) -> HttpResponse:
    incident = get_object_or_404(
        Incident.objects.changeable_by(request.user).select_related("assignee", "follows"), pk=pk
    )
    form = CommentForm(request.POST)
    if not form.is_valid():
        return answer(request, {**incident_context(request, incident, "activity"), "comment_form": form})
    lifecycle.comment(incident, by=request.user, text=form.cleaned_data["comment"])
    return _back(request, incident)


def _back(request: SignedInRequest, incident: Incident) -> HttpResponse:
    """To the view of the incident that the action was taken in."""
    return redirect(_there(request, incident))


def _there(request: SignedInRequest, incident: Incident) -> str:
    there = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        there, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return there if is_ours else incident.get_absolute_url()
