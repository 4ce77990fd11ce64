"""Pages of the definitions of incident tags."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from incidents.models import IncidentTag, Priority
from incidents.tags import changes
from incidents.tags.forms import TagDefinitionForm
from people.access import SignedInRequest, administrators_only


@administrators_only
@require_http_methods(["GET", "HEAD", "POST"])
def definitions(request: SignedInRequest) -> HttpResponse:
    """List all definitions, and define a tag."""
    form = TagDefinitionForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        tag = changes.create(form.draft, by=request.user)
        messages.success(request, f"{tag.name} can be set on incidents now.")
        return redirect("incidents:tags")
    tags = IncidentTag.objects.annotate(used=Count("values"))
    return render(request, "tags/list.html", {"tags": tags, "form": form, "priorities": Priority.labels})


@administrators_only
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest, pk: int) -> HttpResponse:
    tag = get_object_or_404(IncidentTag, pk=pk)
    form = TagDefinitionForm(request.POST if request.method == "POST" else None, instance=tag)
    if form.is_valid():
        tag = changes.edit(tag, form.draft, by=request.user)
        messages.success(request, f"{tag.name} is changed.")
        return redirect("incidents:tags")
    return render(request, "tags/detail.html", {"tag": tag, "form": form, "used": tag.values.count()})


@administrators_only
@require_POST
def delete(request: SignedInRequest, pk: int) -> HttpResponse:
    """Delete a tag with its values on all incidents. To keep the values, people switch the tag off instead."""
    tag = get_object_or_404(IncidentTag, pk=pk)
    changes.delete(tag, by=request.user)
    messages.success(request, f"{tag.name} is deleted, with its values.")
    return redirect("incidents:tags")
