"""Environments: made from a query with a look at what it finds, changed, starred, deleted, and brought back."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

import bpql
from bpql import BpqlError
from incidents.environments import placement
from incidents.environments.forms import EnvironmentForm
from incidents.environments.tasks import place_incidents
from incidents.models import Environment, Incident
from incidents.search import conditions
from people import audit
from people.access import SignedInRequest, may_change
from people.models import Area, User

AUDITED = ("name", "description", "query", "group", "seen_by", "acted_by")
PREVIEW_ROWS = 8
PREVIEW_LIMIT = 10_000  # counting more would make the writer wait


@may_change(Area.ENVIRONMENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    """Also from a search: `?q=` is the query to begin with."""
    form = EnvironmentForm(
        request.POST if request.method == "POST" else None, initial={"query": request.GET.get("q", "")}
    )
    if form.is_valid():
        form.instance.created_by = request.user
        return _saved(form, request.user, audit.Change.CREATED, old={})
    return _form_page(request, form, None)


@may_change(Area.ENVIRONMENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest, pk: int) -> HttpResponse:
    environment = _visible(request, pk)
    old = audit.properties(environment, *AUDITED)
    form = EnvironmentForm(request.POST if request.method == "POST" else None, instance=environment)
    if form.is_valid():
        return _saved(form, request.user, audit.Change.CHANGED, old=old)
    return _form_page(request, form, get_object_or_404(Environment, pk=pk))


@may_change(Area.ENVIRONMENTS)
@require_POST
def delete(request: SignedInRequest, pk: int) -> HttpResponse:
    environment = _visible(request, pk)
    with transaction.atomic():
        environment.deleted_at = timezone.now()
        environment.save(update_fields=["deleted_at"])
        audit.record(request.user, environment, audit.Change.DELETED, old=audit.properties(environment, *AUDITED))
    return render(request, "environments/deleted.html", {"environment": environment})


@may_change(Area.ENVIRONMENTS)
@require_POST
def restore(request: SignedInRequest, pk: int) -> HttpResponse:
    """Undo a delete."""
    environment = get_object_or_404(Environment, pk=pk, deleted_at__isnull=False)
    if Environment.objects.kept().filter(name__iexact=environment.name).exists():
        messages.error(request, f"Another environment is called {environment.name} by now. Rename that one first.")
        return redirect("incidents:feed")
    with transaction.atomic():
        environment.deleted_at = None
        environment.save(update_fields=["deleted_at"])
        placement.mark_unplaced(environment)
        audit.record(request.user, environment, audit.Change.RESTORED, new=audit.properties(environment, *AUDITED))
        transaction.on_commit(place_incidents.delay)
    messages.success(request, f"{environment.name} is back.")
    return redirect(environment)


@require_POST
def star(request: SignedInRequest, pk: int) -> HttpResponse:
    """Put it at the top of one's own list, or back."""
    environment = _visible(request, pk)
    if environment.starred_by.filter(pk=request.user.pk).exists():
        environment.starred_by.remove(request.user)
    else:
        environment.starred_by.add(request.user)
    return redirect(environment)


@may_change(Area.ENVIRONMENTS)
@require_safe
def preview(request: SignedInRequest) -> HttpResponse:
    """What a query finds among the open incidents, while it is being written."""
    query = request.GET.get("query", "").strip()
    try:
        found = (
            Incident.objects.visible_to(request.user).open().filter(conditions.for_open_incidents(bpql.parse(query)))
        )
    except BpqlError as error:
        return render(request, "environments/_preview.html", {"error": error, "query": query})
    rows = list(found.order_by("-status", "-changed_at", "-pk")[:PREVIEW_ROWS])
    count = found.order_by()[: PREVIEW_LIMIT + 1].count()
    context = {"rows": rows, "count": min(count, PREVIEW_LIMIT), "has_more": count > PREVIEW_LIMIT}
    return render(request, "environments/_preview.html", context)


def _visible(request: SignedInRequest, pk: int) -> Environment:
    environment = get_object_or_404(Environment.objects.kept(), pk=pk)
    if not environment.may_be_seen_by(request.user):
        raise Http404("This environment is not for your role.")
    return environment


def _saved(form: EnvironmentForm, by: User, change: audit.Change, *, old: audit.Properties) -> HttpResponse:
    with transaction.atomic():
        environment = form.save()
        audit.record(by, environment, change, old=old, new=audit.properties(environment, *AUDITED))
        if "query" in form.changed_data or not old:
            placement.mark_unplaced(environment)
            transaction.on_commit(place_incidents.delay)
    return redirect(environment)


def _form_page(request: SignedInRequest, form: EnvironmentForm, environment: Environment | None) -> HttpResponse:
    groups = Environment.objects.kept().exclude(group="").values_list("group", flat=True).distinct().order_by("group")
    context = {"form": form, "environment": environment, "groups": groups}
    return render(request, "environments/form.html", context)
