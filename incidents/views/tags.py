"""Which incident tags there are for people to set: defined by administrators."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from incidents.models import IncidentTag, Priority
from incidents.tags import definitions as tag_definitions
from incidents.tags.forms import TagDefinitionForm
from people.access import SignedInRequest, administrators_only


@administrators_only
@require_http_methods(["GET", "HEAD", "POST"])
def definitions(request: SignedInRequest) -> HttpResponse:
    """All of them, and a form for one more."""
    form = TagDefinitionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        tag = tag_definitions.save(form, by=request.user)
        messages.success(request, f"{tag.name} can be set on incidents now.")
        return redirect("incidents:tags")
    tags = IncidentTag.objects.annotate(used=Count("values"))
    return render(request, "tags/list.html", {"tags": tags, "form": form, "priorities": Priority.labels})


@administrators_only
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest, pk: int) -> HttpResponse:
    tag = get_object_or_404(IncidentTag, pk=pk)
    form = TagDefinitionForm(request.POST if request.method == "POST" else None, instance=tag)
    if request.method == "POST" and form.is_valid():
        tag_definitions.save(form, by=request.user)
        messages.success(request, f"{tag.name} is changed.")
        return redirect("incidents:tags")
    return render(request, "tags/detail.html", {"tag": tag, "form": form, "used": tag.values.count()})


@administrators_only
@require_POST
def delete(request: SignedInRequest, pk: int) -> HttpResponse:
    """With its values on all incidents; who wants to keep those switches it off instead."""
    tag = get_object_or_404(IncidentTag, pk=pk)
    tag_definitions.delete(tag, by=request.user)
    messages.success(request, f"{tag.name} is deleted, with its values.")
    return redirect("incidents:tags")
