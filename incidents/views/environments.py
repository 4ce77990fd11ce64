"""Pages that create, change, star, delete and restore environments, with a preview of what a query finds."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

import bpql
from db import time_limit
from incidents.environments import changes
from incidents.environments.forms import EnvironmentForm
from incidents.environments.openings import Opening, OpensIncidents
from incidents.models import Environment, Incident
from incidents.search import conditions
from people.access import SignedInRequest, may_change
from people.models import Area

PREVIEW_ROWS = 8
PREVIEW_LIMIT = 10_000  # counting more incidents would make the person wait
NOT_YOURS = "This environment is not for your role."


@may_change(Area.ENVIRONMENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    """Create an environment. `?q=` is the query that the form begins with, for links from a search."""
    initial = {"query": request.GET.get("q", "")}
    form = EnvironmentForm(request.POST if request.method == "POST" else None, initial=initial)
    opened: list[Opening] = []
    if form.is_valid():
        try:
            return redirect(changes.create(form.draft, by=request.user, confirmed=_is_confirmed(request)))
        except OpensIncidents as refusal:
            opened = refusal.openings
    return _form_page(request, form, None, opened)


@may_change(Area.ENVIRONMENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest, pk: int) -> HttpResponse:
    environment = _changeable(request, pk)
    form = EnvironmentForm(request.POST if request.method == "POST" else None, instance=environment)
    opened: list[Opening] = []
    if form.is_valid():
        try:
            return redirect(changes.edit(environment, form.draft, by=request.user, confirmed=_is_confirmed(request)))
        except OpensIncidents as refusal:
            opened = refusal.openings
    return _form_page(request, form, get_object_or_404(Environment, pk=pk), opened)


@may_change(Area.ENVIRONMENTS)
@require_POST
def delete(request: SignedInRequest, pk: int) -> HttpResponse:
    """Delete an environment. Where that opens incidents to other roles, ask first."""
    environment = _changeable(request, pk)
    try:
        changes.delete(environment, by=request.user, confirmed=_is_confirmed(request))
    except OpensIncidents as refusal:
        return render(request, "environments/delete.html", {"environment": environment, "openings": refusal.openings})
    return render(request, "environments/deleted.html", {"environment": environment})


@may_change(Area.ENVIRONMENTS)
@require_POST
def restore(request: SignedInRequest, pk: int) -> HttpResponse:
    environment = get_object_or_404(Environment, pk=pk, deleted_at__isnull=False)
    if not environment.may_be_seen_by(request.user):
        raise Http404(NOT_YOURS)
    try:
        changes.restore(environment, by=request.user)
    except changes.NameTaken as refusal:
        messages.error(request, str(refusal))
        return redirect("incidents:feed")
    messages.success(request, f"{environment.name} is back.")
    return redirect(environment)


@require_POST
def star(request: SignedInRequest, pk: int) -> HttpResponse:
    """Move an environment to the top of the person's sidebar, or back."""
    environment = _visible(request, pk)
    if environment.starred_by.filter(pk=request.user.pk).exists():
        environment.starred_by.remove(request.user)
    else:
        environment.starred_by.add(request.user)
    return redirect(environment)


@may_change(Area.ENVIRONMENTS)
@require_safe
def preview(request: SignedInRequest) -> HttpResponse:
    """Show what a query finds among the open incidents, while a person writes the query."""
    query = request.GET.get("query", "").strip()
    visible = Incident.objects.visible_to(request.user).open()
    try:
        with time_limit.limited():
            found = visible.filter(conditions.for_open_incidents(bpql.parse(query)))
            rows = list(found.order_by("-status", "-changed_at", "-pk")[:PREVIEW_ROWS])
            count = found.order_by()[: PREVIEW_LIMIT + 1].count()
    except bpql.BpqlError as error:
        return render(request, "environments/_preview.html", {"error": error, "query": query})
    context = {"rows": rows, "count": min(count, PREVIEW_LIMIT), "has_more": count > PREVIEW_LIMIT}
    return render(request, "environments/_preview.html", context)


def _visible(request: SignedInRequest, pk: int) -> Environment:
    environment = get_object_or_404(Environment.objects.kept(), pk=pk)
    if not environment.may_be_seen_by(request.user):
        raise Http404(NOT_YOURS)
    return environment


def _changeable(request: SignedInRequest, pk: int) -> Environment:
    environment = _visible(request, pk)
    if not environment.may_be_changed_by(request.user):
        raise PermissionDenied(
            f"{environment.name} keeps acting on its incidents for other roles, so only these roles and administrators"
            " change it. Ask one of them."
        )
    return environment


def _is_confirmed(request: SignedInRequest) -> bool:
    return request.POST.get("confirm") == "open"


def _form_page(
    request: SignedInRequest, form: EnvironmentForm, environment: Environment | None, opened: list[Opening]
) -> HttpResponse:
    groups = Environment.objects.kept().exclude(group="").values_list("group", flat=True).distinct().order_by("group")
    context = {"form": form, "environment": environment, "groups": groups, "openings": opened}
    return render(request, "environments/form.html", context)
